import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../../../../src/common/random.js';
import { anyAxis, anyShape, between, pick, type FreeName, type KernelCase, type Operand, type Sample } from '../kernel-case.js';

type Type = 'float32' | 'int32' | 'bool';
const types: readonly Type[] = ['float32', 'float32', 'int32', 'bool'];
type Shape = (number | FreeName)[];

/** A tensor of any type, and what is done with it. */
const shaping = (
  kernel: string,
  plan: (random: Random, shape: Shape) => (x: tf.Tensor) => tf.Tensor | tf.Tensor[],
  low = 0,
  allowed: readonly Type[] = types,
): KernelCase => ({
  kernels: [kernel],
  count: 24,
  sample(random): Sample {
    const operand: Operand = { shape: anyShape(random, low), type: pick(random, allowed) };
    const compute = plan(random, [...operand.shape]);
    return { operands: [operand], compute: (x) => compute(x!) };
  },
});

const known = (size: number | FreeName): size is number => typeof size === 'number';

/** The picture's rows are put into one axis, which is turned over to the channels; the batch stays. */
const mergeAxes = (random: Random, shape: Shape): ((x: tf.Tensor) => tf.Tensor) => {
  const start = random.integer(shape.length);
  const end = between(random, start + 1, shape.length);
  return (x) => {
    const merged = x.shape.slice(start, end).reduce((product, size) => product * size, 1);
    return tf.reshape(x, [...x.shape.slice(0, start), random.state % 2 === 0 ? merged : -1, ...x.shape.slice(end)]);
  };
};

const joined = (kernel: 'Concat' | 'Pack'): KernelCase => ({
  kernels: [kernel],
  count: 24,
  sample(random): Sample {
    const shape = anyShape(random, kernel === 'Pack' ? 0 : 1, 4);
    const type = pick(random, types);
    const parts = between(random, kernel === 'Pack' ? 1 : 2, 4);
    if (kernel === 'Pack') {
      const axis = between(random, -1, shape.length);
      return { operands: Array.from({ length: parts }, () => ({ shape, type })), compute: (...all) => tf.stack(all, axis) };
    }
    const axis = anyAxis(random, shape.length);
    const at = (size: number): Shape => shape.map((whole, place) => (place === (axis + shape.length) % shape.length ? size : whole));
    const operands = Array.from({ length: parts }, () => ({ shape: at(between(random, 1, 3)), type }));
    return { operands, compute: (...all) => tf.concat(all, axis) };
  },
});

const cut: KernelCase = shaping(
  'Slice',
  (random, shape) => {
    const begin = shape.map((size) => (known(size) ? random.integer(size) : 0));
    const size = shape.map((whole, axis) => (known(whole) && random.next() < 0.6 ? between(random, 1, whole - begin[axis]!) : -1));
    return (x) => tf.slice(x, begin, size);
  },
  1,
);

const strided: KernelCase = {
  kernels: ['StridedSlice'],
  count: 40,
  sample(random): Sample {
    const shape = anyShape(random, 1).map((size) => (known(size) ? size + 2 : size));
    // tfjs cannot leave axes out of a cut with strides
    const shrinks = random.next() < 0.3;
    const backwards = shape.map(() => !shrinks && random.next() < 0.3);
    const strides = shape.map((size, axis) =>
      shrinks ? 1 : between(random, 1, known(size) ? 2 : 1) * (backwards[axis] === true ? -1 : 1),
    );
    const masks = { begin: 0, end: 0, shrink: 0 };
    const begin: number[] = [];
    const end: number[] = [];
    shape.forEach((size, axis) => {
      const free = !known(size);
      if (free || random.next() < 0.2) masks.begin |= 1 << axis;
      if (free || random.next() < 0.3) masks.end |= 1 << axis;
      const length = known(size) ? size : 1;
      begin.push(backwards[axis] === true ? length - 1 : random.integer(2));
      end.push(backwards[axis] === true ? 0 : length - random.integer(2));
      if (!free && shrinks && random.next() < 0.5) masks.shrink |= 1 << axis;
    });
    return {
      operands: [{ shape }],
      compute: (x) => tf.stridedSlice(x!, begin, end, strides, masks.begin, masks.end, 0, 0, masks.shrink),
    };
  },
};

const divided: KernelCase = shaping(
  'SplitV',
  (random, shape) => {
    const axes = shape.flatMap((size, axis) => (known(size) ? [axis] : []));
    if (axes.length === 0) return (x) => tf.split(x, [x.shape[0]!], 0);
    const axis = pick(random, axes);
    const size = shape[axis] as number;
    const pieces = random.next() < 0.5 && size > 1 ? [1, size - 1] : size;
    return (x) => tf.split(x, pieces, axis - (random.next() < 0.3 ? shape.length : 0));
  },
  1,
);

const taken: KernelCase = shaping(
  'Unpack',
  (random, shape) => {
    const axes = shape.flatMap((size, axis) => (known(size) ? [axis] : []));
    const axis = axes.length === 0 ? undefined : pick(random, axes) - (random.next() < 0.3 ? shape.length : 0);
    return (x) => (axis === undefined ? tf.unstack(tf.expandDims(x, 0), 0) : tf.unstack(x, axis));
  },
  1,
);

const padded = (kernel: 'PadV2' | 'MirrorPad'): KernelCase => ({
  kernels: [kernel],
  count: 20,
  sample(random): Sample {
    const shape = anyShape(random, 1, kernel === 'PadV2' ? 4 : 4);
    const widths = shape.map((size): [number, number] => {
      if (!known(size)) return [0, 0];
      const most = kernel === 'PadV2' ? 2 : size - 1;
      return [between(random, 0, most), between(random, 0, most)];
    });
    const value = pick(random, [0, 1, -0.5]);
    return {
      operands: [{ shape }],
      compute: (x) => (kernel === 'PadV2' ? tf.pad(x!, widths, value) : tf.mirrorPad(x!, widths, 'reflect')),
    };
  },
});

const paddedWhole: KernelCase = {
  kernels: ['PadV2'],
  about: 'int32',
  sample: (random) => ({
    operands: [{ shape: [...anyShape(random, 2, 2)], type: 'int32' }],
    compute: (x) =>
      tf.pad(
        x!,
        [
          [0, 0],
          [1, 2],
        ],
        3,
      ),
  }),
};

/** Numbers in a row, up to a size that may be free. */
const ranges: KernelCase = {
  kernels: ['Range'],
  sample(random): Sample {
    const type = pick(random, ['float32', 'int32'] as const);
    const start = between(random, -3, 3);
    const fixed = random.next() < 0.5;
    const step = type === 'float32' && fixed ? 0.75 : 1;
    const compute = (x?: tf.Tensor): tf.Tensor => tf.range(fixed ? start : 0, fixed ? start + 4 : x!.shape[0]!, step, type);
    return { operands: [{ shape: ['batch', 2], ways: ['input'] }], compute: (x) => [compute(x), tf.neg(x!)] };
  },
};

const filledLike = (kernel: string, compute: (x: tf.Tensor) => tf.Tensor): KernelCase =>
  shaping(kernel, () => (x) => [compute(x), tf.clone(x)]);

/** Combs of a picture, and back. */
const combs = (kernel: 'SpaceToBatchND' | 'BatchToSpaceND'): KernelCase => ({
  kernels: [kernel],
  sample(random): Sample {
    const block = [between(random, 1, 3), between(random, 1, 2)];
    const free = random.next() < 0.5;
    if (kernel === 'SpaceToBatchND') {
      const size = block.map((side) => side * between(random, 1, 3));
      const pads = block.map((side, axis) => {
        const before = Math.min(random.integer(3), size[axis]! - 1);
        return [before, (side - ((size[axis]! + before) % side)) % side] as [number, number];
      });
      return {
        operands: [{ shape: [free ? 'batch' : 2, ...size, ...(random.next() < 0.8 ? [2] : [])] }],
        compute: (x) => tf.spaceToBatchND(x!, block, pads),
      };
    }
    const combsOf = block[0]! * block[1]!;
    const crops = block.map((side) => [random.integer(side), random.integer(side)] as [number, number]);
    return {
      operands: [{ shape: [free ? 'batch' : 2, 3, 3, 2] }],
      compute: (x) => tf.batchToSpaceND(tf.tile(x!, [combsOf, 1, 1, 1]), block, crops),
    };
  },
});

export const shapeCases: readonly KernelCase[] = [
  joined('Concat'),
  joined('Pack'),
  shaping('ExpandDims', (random, shape) => {
    const axis = between(random, -shape.length - 1, shape.length);
    return (x) => tf.expandDims(x, axis);
  }),
  { ...shaping('Fill', () => (x) => [tf.fill([...x.shape, 2], 1.5), tf.fill(x.shape, 3, 'int32'), tf.clone(x)]) },
  padded('MirrorPad'),
  padded('PadV2'),
  paddedWhole,
  filledLike('OnesLike', (x) => tf.onesLike(x)),
  filledLike('ZerosLike', (x) => tf.zerosLike(x)),
  ranges,
  shaping('Reshape', mergeAxes, 1),
  shaping(
    'Reverse',
    (random, shape) => {
      const axes = shape.map((_, axis) => axis).filter(() => random.next() < 0.5);
      return (x) => tf.reverse(x, axes);
    },
    1,
    ['float32', 'int32'],
  ), // wasm takes truths for numbers
  cut,
  divided,
  strided,
  shaping(
    'Tile',
    (random, shape) => {
      const times = shape.map(() => between(random, 1, 2));
      return (x) => tf.tile(x, times);
    },
    1,
  ),
  shaping(
    'Transpose',
    (random, shape) => {
      const order = [...random.permutation(shape.length)];
      return (x) => tf.transpose(x, order);
    },
    2,
  ),
  taken,
  combs('SpaceToBatchND'),
  combs('BatchToSpaceND'),
];
