import * as tf from '@tensorflow/tfjs-core';
import { gelu, tanhGelu } from '../../../../src/layers/gelu.js';
import { BatchNormalization } from '../../../../src/layers/batch-normalization.js';
import { LayerNormalization } from '../../../../src/layers/layer-normalization.js';
import { MultiHeadAttention } from '../../../../src/layers/multi-head-attention.js';
import { PositionEmbedding } from '../../../../src/layers/position-embedding.js';
import { relu6 } from '../../../../src/layers/relu6.js';
import { TokenPooling } from '../../../../src/layers/token-pooling.js';
import { UnitLength } from '../../../../src/layers/unit-length.js';
import { anyShape, between, narrower, pick, type FreeName, type KernelCase, type Operand, type Sample } from '../kernel-case.js';

type Compute = (...tensors: tf.Tensor[]) => tf.Tensor;

/** All gradients of a function, by the operands that have one. The upstream gradient differs from place to place. */
const gradients =
  (run: Compute, count = 1): Sample['compute'] =>
  (...all) => {
    const rest = all.slice(count);
    const learning = (...given: tf.Tensor[]): tf.Tensor => run(...given, ...rest);
    const result = run(...all);
    return [...tf.grads(learning)(all.slice(0, count), tf.sin(tf.mul(result, 3))), result];
  };

const positive = { range: [0.2, 3] } as const;

/** The gradient of a function of one tensor. */
const unary = (about: string, run: Compute, bounds: Partial<Operand> = {}): KernelCase => ({
  kernels: [],
  about,
  count: 6,
  floor: 0.1,
  sample: (random) => ({ operands: [{ shape: [...anyShape(random, 1, 4), 3], ...bounds }], compute: gradients(run) }),
});

const binary = (about: string, run: Compute, second: Partial<Operand> = {}, first: Partial<Operand> = {}): KernelCase => ({
  kernels: [],
  about,
  count: 12,
  floor: 0.1,
  sample(random) {
    const shape = anyShape(random, 1);
    const [a, b] = random.next() < 0.5 ? [shape, narrower(random, shape)] : [narrower(random, shape), shape];
    return {
      operands: [
        { shape: a, ...first },
        { shape: b, ...second },
      ],
      compute: gradients(run, 2),
    };
  },
});

/** tfjs has this gradient for two operands of one shape. */
const alike = (about: string, run: Compute): KernelCase => ({
  ...binary(about, run),
  sample(random) {
    const shape = anyShape(random, 1);
    return { operands: [{ shape }, { shape }], compute: gradients(run, 2) };
  },
});

const choice: KernelCase = {
  ...binary('of a choice', (a) => a!),
  sample(random) {
    const shape = anyShape(random, 1);
    return {
      operands: [{ shape }, { shape }, { shape, type: 'bool' }],
      compute: gradients((a, b, yes) => tf.where(yes!, tf.square(a!), b!), 2),
    };
  },
};

/** The gradient of a layer by its inputs; weights are captured. */
const layerOf = (about: string, sample: KernelCase['sample'], rest: Partial<KernelCase> = {}): KernelCase => ({
  kernels: [],
  about,
  sample,
  count: 6,
  floor: 0.1,
  ...rest,
});

type Size = number | FreeName;
const tokens = (batch: Size, features: number, range: readonly [number, number] = [-2, 2]): Operand => ({
  shape: [batch, 'tokens', features],
  range,
});
const mask: Operand = { shape: ['batch', 'tokens'], type: 'int32', range: [0, 1] };

const shapeCases: readonly KernelCase[] = [
  unary('of a cut', (x) => tf.slice(x, [0], [-1])),
  unary('of padding', (x) =>
    tf.pad(
      x,
      x.shape.map((_, axis) => (axis === x.rank - 1 ? [1, 2] : [0, 0]) as [number, number]),
    ),
  ),
  unary('of mirrored padding', (x) =>
    tf.mirrorPad(
      tf.concat([x, tf.square(x), x], -1),
      x.shape.map((_, axis) => (axis === x.rank - 1 ? [1, 2] : [0, 0]) as [number, number]),
      'reflect',
    ),
  ),
  unary(
    'of tiling',
    (x) =>
      tf.tile(
        x,
        x.shape.map(() => 2),
      ),
    { shape: ['batch', 3] },
  ),
  unary('of a transpose', (x) => tf.transpose(x)),
  unary('of a reversal', (x) => tf.reverse(x, [x.rank - 1])),
  unary('of a stack', (x) => tf.stack([x, tf.square(x)], -1)),
  unary('of unstacking', (x) => tf.addN(tf.unstack(x, 1).map((part, index) => tf.mul(part, index + 1))), { shape: ['batch', 3, 2] }),
  unary('of a split', (x) => { const [a, b] = tf.split(x, [1, 2], 1); return tf.concat([tf.square(b!), a!], 1); }, { shape: ['batch', 3, 2] }), // prettier-ignore
  unary('of running sums', (x) => tf.cumsum(x, x.rank - 1)),
  unary('of combs', (x) => tf.batchToSpaceND(tf.square(tf.spaceToBatchND(x, [2, 2], [[0, 1], [1, 0]])), [2, 2], [[0, 0], [1, 1]]), { shape: ['batch', 3, 5, 2] }), // prettier-ignore
];

const elementwise: readonly KernelCase[] = [
  ...Object.entries<Compute>({
    abs: (x) => tf.abs(x), clip: (x) => tf.clipByValue(x, -0.7, 0.9), cos: (x) => tf.cos(x), elu: (x) => tf.elu(x), erf: (x) => tf.erf(x), exp: (x) => tf.exp(x),
    expm1: (x) => tf.expm1(x), gelu, 'leaky relu': (x) => tf.leakyRelu(x, 0.3), neg: (x) => tf.neg(x), relu: (x) => tf.relu(x), "tfjs's relu6": (x) => tf.relu6(tf.mul(x, 5)),
    relu6: (x) => relu6(tf.mul(x, 5)), selu: (x) => tf.selu(x), sigmoid: (x) => tf.sigmoid(x), silu: (x) => tf.mul(x, tf.sigmoid(x)), sin: (x) => tf.sin(x),
    softplus: (x) => tf.softplus(x), square: (x) => tf.square(x), tanh: (x) => tf.tanh(x), 'tanh gelu': tanhGelu,
  }).map(([about, run]) => unary(about, run)), // prettier-ignore
  ...Object.entries<Compute>({
    log: (x) => tf.log(x),
    reciprocal: (x) => tf.reciprocal(x),
    rsqrt: (x) => tf.rsqrt(x),
    sqrt: (x) => tf.sqrt(x),
    log1p: (x) => tf.log1p(x),
  }).map(([about, run]) => unary(about, run, positive)),
  binary('of a sum', (a, b) => tf.add(a, b)),
  binary('of a difference', (a, b) => tf.sub(a, b)),
  binary('of a product', (a, b) => tf.mul(a, b)),
  binary('of a quotient', (a, b) => tf.div(a, b), positive),
  binary('of a power', (a, b) => tf.pow(a, b), positive, positive),
  alike('of a squared difference', (a, b) => tf.squaredDifference(a, b)),
  alike('of the greater', (a, b) => tf.maximum(a, b)),
  alike('of the lesser', (a, b) => tf.minimum(a, b)),
  choice,
];

const reductions: readonly KernelCase[] = [
  unary('of a mean', (x) => tf.mean(x, -1, true)),
  unary('of a mean over pictures', (x) => tf.mean(x, [1, 2]), { shape: ['batch', 3, 4, 2] }),
  unary('of a sum over rows', (x) => tf.sum(x, 0)),
  unary('of the greatest', (x) => tf.max(x, -1)),
  unary('of the greatest over pictures', (x) => tf.max(x, [1, 2]), { shape: ['batch', 3, 4, 2] }),
  unary('of the least', (x) => tf.min(x, 0)),
  unary('of softmax', (x) => tf.softmax(x)),
  unary('of log softmax', (x) => tf.logSoftmax(x)),
  unary('of moments', (x) => { const { mean, variance } = tf.moments(x, -1, true); return tf.add(mean, variance); }), // prettier-ignore
];

const matrices: KernelCase = {
  kernels: ['BatchMatMul'],
  about: 'as gradients',
  count: 20,
  sample(random): Sample {
    const [turnA, turnB] = [random.next() < 0.5, random.next() < 0.5];
    const batch = pick<Size[]>(random, [[], ['batch'], ['batch', 2]]);
    const [rows, inner, columns] = [pick<Size>(random, [3, 'tokens']), 4, 2];
    const first: Size[] = [...batch, ...(turnA ? [inner, rows] : [rows, inner])];
    const second: Size[] = [...batch, ...(turnB ? [columns, inner] : [inner, columns])];
    return { operands: [{ shape: first }, { shape: second }], compute: gradients((a, b) => tf.matMul(a!, b!, turnA, turnB), 2) };
  },
};

const embedding: KernelCase = {
  kernels: ['GatherV2', 'UnsortedSegmentSum'],
  about: 'as an embedding',
  sample: (random) => ({
    operands: [{ shape: [7, 3] }, { shape: ['batch', pick<Size>(random, ['tokens', 5])], type: 'int32', range: [0, 6] }],
    compute: gradients((table, places) => tf.gather(table!, places as tf.Tensor2D)),
  }),
};

const columnsOf: KernelCase = {
  kernels: ['GatherV2', 'UnsortedSegmentSum'],
  about: 'of columns',
  sample: () => ({
    operands: [{ shape: ['batch', 5, 2] }, { shape: [4], type: 'int32', range: [0, 4] }],
    compute: gradients((x, places) => tf.gather(x!, places as tf.Tensor1D, 1)),
  }),
};

const crossEntropy: KernelCase = {
  kernels: ['Softmax'],
  about: 'with cross entropy',
  sample: () => ({
    operands: [{ shape: ['batch', 5] }, { shape: ['batch', 5], range: [0, 1] }],
    compute: gradients((logits, targets) =>
      tf.sum(tf.mul(tf.neg(tf.sum(tf.mul(targets!, tf.logSoftmax(logits!)), -1)), tf.max(tf.softmax(logits!), -1))),
    ),
  }),
};

const layerCases: readonly KernelCase[] = [
  layerOf(
    'of layer normalisation',
    (random) => {
      const layer = new LayerNormalization({ name: `norm-${random.state}`, epsilon: 1e-5 });
      layer.build([null, 6]);
      return {
        weights: layer.weights,
        operands: [pick(random, [tokens('batch', 6), { shape: ['batch', 6] }])],
        compute: gradients((x) => layer.call(x!)),
      };
    },
    { tolerance: 3e-5 },
  ),
  layerOf('of attention', (random) => {
    const layer = new MultiHeadAttention({ name: `attention-${random.state}`, heads: pick(random, [1, 2]), dropout: 0 });
    const run: Compute = (query, key, value, shown) => layer.call([query!, key!, value!, shown!], {});
    return {
      operands: [tokens('batch', 4), tokens('batch', 4), tokens('batch', 4), { ...mask, ways: ['input'] }],
      compute: gradients(run, 3),
    };
  }),
  layerOf('of the mean of tokens', (random) => {
    const layer = new TokenPooling({ name: `pool-${random.state}`, mode: pick(random, ['mean', 'cls', 'max'] as const) });
    return {
      weights: layer.weights,
      operands: [tokens('batch', 4), { ...mask, range: [1, 1] }],
      compute: gradients((x, shown) => layer.call([x!, shown!])),
    };
  }),
  layerOf('of unit length', () => {
    const layer = new UnitLength({});
    return { operands: [{ shape: ['batch', 5] }], compute: gradients((x) => layer.call(x!)) };
  }),
  layerOf('of position embeddings', (random) => {
    const layer = new PositionEmbedding({ name: `positions-${random.state}`, positions: 19 });
    layer.build([null, null, 3]);
    return { weights: layer.weights, operands: [tokens('batch', 3)], compute: gradients((x) => layer.call(x!)) };
  }),
  layerOf('of batch normalisation by moving statistics', (random) => {
    const layer = new BatchNormalization({ name: `batch-${random.state}`, epsilon: 1e-3 });
    layer.build([null, 5, 5, 3]);
    return {
      weights: layer.weights,
      operands: [{ shape: ['batch', 5, 5, 3], ways: ['input', 'channels-first'] }],
      compute: gradients((x) => layer.call(x!, {})),
    };
  }),
];

/** A block of MobileNet: expand, filter by channel, reduce, add. */
const mobileBlock: KernelCase = {
  kernels: ['Conv2D', 'DepthwiseConv2dNative', 'Conv2DBackpropFilter'],
  about: 'in a block',
  fixedOnly: 'the gradient by channel has a group for each picture',
  sample(random): Sample {
    const strides = between(random, 1, 2);
    const run: Compute = (x, expand, filter, reduce, scale) => {
      const wide = relu6(tf.mul(tf.conv2d(x as tf.Tensor4D, expand as tf.Tensor4D, 1, 'same'), scale!));
      const filtered = tf.depthwiseConv2d(wide as tf.Tensor4D, filter as tf.Tensor4D, strides, 'same');
      const narrow = tf.conv2d(relu6(filtered) as tf.Tensor4D, reduce as tf.Tensor4D, 1, 'same');
      return tf.mean(strides === 1 ? tf.add(narrow, x!) : narrow, [1, 2]);
    };
    return {
      operands: [{ shape: ['batch', 6, 6, 3] }, { shape: [1, 1, 3, 5] }, { shape: [3, 3, 5, 1] }, { shape: [1, 1, 5, 3] }, { shape: [5] }],
      compute: gradients(run, 5),
    };
  },
};

export const gradientCases: readonly KernelCase[] = [
  ...elementwise,
  ...reductions,
  ...shapeCases,
  matrices,
  embedding,
  columnsOf,
  crossEntropy,
  ...layerCases,
  mobileBlock,
];
