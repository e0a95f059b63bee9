import * as tf from '@tensorflow/tfjs-core';
import { anyAxis, anyShape, between, narrower, pick, type FreeName, type KernelCase, type Sample } from '../kernel-case.js';

type Size = number | FreeName;
const turned = (shape: readonly Size[], turn: boolean): Size[] =>
  turn ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : [...shape];

const matMul: KernelCase = {
  kernels: ['BatchMatMul'],
  count: 40,
  sample(random): Sample {
    const batch = anyShape(random, 0, 2).map((size) => (size === 'tokens' ? 3 : size));
    const [rows, inner, columns] = [pick<Size>(random, [3, 'tokens']), pick<Size>(random, [4, 5]), pick<Size>(random, [2, 'tokens'])];
    const [turnA, turnB] = [random.next() < 0.5, random.next() < 0.5];
    const other = random.next() < 0.3 ? narrower(random, batch) : batch;
    return {
      operands: [{ shape: turned([...batch, rows, inner], turnA) }, { shape: turned([...other, inner, columns], turnB) }],
      compute: (a, b) => tf.matMul(a!, b!, turnA, turnB),
    };
  },
};

const activations = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu'] as const;

/** The fused kernel, as tfjs's layers call it. */
const fused: KernelCase = {
  kernels: ['_FusedMatMul'],
  count: 30,
  sample(random): Sample {
    const activation = pick(random, activations);
    const [turnA, turnB] = [random.next() < 0.3, random.next() < 0.3];
    const operands = [
      { shape: turned([pick<Size>(random, ['batch', 3]), 4], turnA) },
      { shape: turned([4, 5], turnB) },
      ...(random.next() < 0.7 || activation === 'prelu' ? [{ shape: [5] }] : []),
      ...(activation === 'prelu' ? [{ shape: [5] }] : []),
    ];
    return {
      operands,
      compute: (a, b, bias, slopes) =>
        tf.fused.matMul({
          a: a as tf.Tensor2D,
          b: b as tf.Tensor2D,
          transposeA: turnA,
          transposeB: turnB,
          ...(bias === undefined ? {} : { bias }),
          activation,
          leakyreluAlpha: 0.3,
          ...(slopes === undefined ? {} : { preluActivationWeights: slopes }),
        }),
    };
  },
};

const gather: KernelCase = {
  kernels: ['GatherV2'],
  count: 24,
  sample(random): Sample {
    const shape = anyShape(random, 1, 4).map((size) => (typeof size === 'number' ? size : 3));
    const axis = anyAxis(random, shape.length);
    const last = shape.at(axis)! - 1;
    const type = pick(random, ['float32', 'float32', 'int32', 'bool'] as const);
    const indices = anyShape(random, 0, 2);
    return {
      operands: [
        { shape, type },
        { shape: indices, type: 'int32', range: [0, last] },
      ],
      compute: (x, places) => tf.gather(x!, places as tf.Tensor1D, axis),
    };
  },
};

const segments: KernelCase = {
  kernels: ['UnsortedSegmentSum'],
  count: 20,
  sample(random): Sample {
    const rows = pick<Size>(random, ['batch', 6]);
    const count = between(random, 1, 4);
    return {
      operands: [
        { shape: [rows, ...anyShape(random, 0, 2).map((size) => (typeof size === 'number' ? size : 2))] },
        { shape: [rows], type: 'int32', range: [0, count - 1] },
      ],
      compute: (x, places) => tf.unsortedSegmentSum(x!, places as tf.Tensor1D, count),
    };
  },
};

const oneHot: KernelCase = {
  kernels: ['OneHot'],
  cpuOnly: 'wasm writes whole numbers into float32',
  count: 20,
  sample(random): Sample {
    const depth = between(random, 2, 5);
    const [on, off] = pick(random, [[1, 0], [0.9, -0.1], [5, 2]] as const); // prettier-ignore
    const type = Number.isInteger(on) ? pick(random, ['float32', 'int32'] as const) : 'float32';
    return {
      operands: [{ shape: anyShape(random, 0, 3), type: 'int32', range: [0, depth - 1] }],
      compute: (indices) => tf.oneHot(indices!, depth, on, off, type),
    };
  },
};

/** Indices that name nothing give a row of the other number. */
const oneHotOutside: KernelCase = {
  ...oneHot,
  about: 'outside',
  sample: (random) => ({
    operands: [{ shape: anyShape(random, 1, 2), type: 'int32', range: [-3, 7] }],
    compute: (indices) => tf.oneHot(indices!, 4, 1, 0, 'float32'),
  }),
};

export const productCases: readonly KernelCase[] = [matMul, fused, gather, segments, oneHot, oneHotOutside];
