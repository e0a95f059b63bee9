import * as tf from '@tensorflow/tfjs-core';
import { anyAxis, anyShape, someAxes, type KernelCase, type Operand } from '../kernel-case.js';

type Reduce = (x: tf.Tensor, axes: number[] | undefined, keepDims: boolean) => tf.Tensor;

const reduction = (kernel: string, reduce: Reduce, options: Omit<Operand, 'shape'> & { about?: string } = {}): KernelCase => ({
  kernels: [kernel],
  about: [options.type, options.about].filter(Boolean).join(' '),
  count: 20,
  sample(random) {
    const shape = anyShape(random, 0);
    const axes = shape.length === 0 || random.next() < 0.2 ? undefined : someAxes(random, shape.length);
    const fromTheEnd = axes?.map((axis) => (random.next() < 0.3 ? axis - shape.length : axis));
    const keepDims = random.next() < 0.5;
    return { operands: [{ shape, ...options }], compute: (x) => reduce(x!, fromTheEnd, keepDims) };
  },
});

/** Works along one axis. */
const along = (kernel: string, compute: (x: tf.Tensor, axis: number) => tf.Tensor, options: Omit<Operand, 'shape'> = {}): KernelCase => ({
  kernels: [kernel],
  ...(options.type === undefined ? {} : { about: options.type }),
  count: 20,
  sample(random) {
    const shape = anyShape(random, 1);
    const axis = anyAxis(random, shape.length);
    return { operands: [{ shape, ...options }], compute: (x) => compute(x!, axis) };
  },
});

const ties: Omit<Operand, 'shape'> = { range: [-2, 2], whole: true };

const cumulative = (type: 'float32' | 'int32'): KernelCase => ({
  kernels: ['Cumsum'],
  about: type,
  count: 20,
  sample(random) {
    const shape = anyShape(random, 1);
    const axis = random.integer(shape.length); // one counted from the end breaks wasm
    const [exclusive, reverse] = [random.next() < 0.5, random.next() < 0.5];
    return { operands: [{ shape, type }], compute: (x) => tf.cumsum(x!, axis, exclusive, reverse) };
  },
});

/** Numbers that are all 0 have a sum that is known. */
const zeros: KernelCase = {
  kernels: ['Sum', 'Mean', 'Max'],
  about: 'of zeros',
  sample(random) {
    const shape = anyShape(random, 1);
    const axes = someAxes(random, shape.length);
    const compute = (x?: tf.Tensor): tf.Tensor[] => {
      const nothing = tf.zerosLike(x!);
      return [tf.sum(nothing, axes), tf.mean(nothing, axes, true), tf.max(nothing, axes), tf.add(x!, nothing)];
    };
    return { operands: [{ shape }], compute };
  },
};

export const reductionCases: readonly KernelCase[] = [
  reduction('All', (x, axes, keepDims) => tf.all(x, axes, keepDims), { type: 'bool' }),
  reduction('Any', (x, axes, keepDims) => tf.any(x, axes, keepDims), { type: 'bool' }),
  reduction('Max', (x, axes, keepDims) => tf.max(x, axes, keepDims)),
  reduction('Mean', (x, axes, keepDims) => tf.mean(x, axes, keepDims)),
  reduction('Mean', (x, axes, keepDims) => tf.mean(x, axes, keepDims), { type: 'int32', range: [-9, 9] }),
  reduction('Min', (x, axes, keepDims) => tf.min(x, axes, keepDims)),
  reduction('Prod', (x, axes, keepDims) => tf.prod(x, axes, keepDims), { range: [0.5, 1.5] }),
  reduction('Sum', (x, axes, keepDims) => tf.sum(x, axes, keepDims)),
  reduction('Sum', (x, axes, keepDims) => tf.sum(x, axes, keepDims), { type: 'int32', range: [-9, 9] }),
  reduction('Sum', (x, axes, keepDims) => tf.sum(x, axes, keepDims), { type: 'bool' }),
  along('ArgMax', (x, axis) => tf.argMax(x, axis), ties),
  along('ArgMax', (x, axis) => tf.argMax(x, axis), { ...ties, type: 'int32' }),
  along('ArgMin', (x, axis) => tf.argMin(x, axis), ties),
  {
    ...along('Softmax', (x) => tf.softmax(tf.mul(x, 4))),
    sample: (random) => ({ operands: [{ shape: anyShape(random, 1), range: [-9, 9] }], compute: (x) => tf.softmax(x!) }),
  },
  cumulative('float32'),
  cumulative('int32'),
  zeros,
];
