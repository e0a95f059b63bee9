import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { input, layers, model as makeModel, models } from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { Activation, activationNames } from '../../src/layers/activation.js';
import { Dropout } from '../../src/layers/dropout.js';
import { gelu, tanhGelu } from '../../src/layers/gelu.js';
import { LayerNormalization } from '../../src/layers/layer-normalization.js';
import { MultiHeadAttention } from '../../src/layers/multi-head-attention.js';
import { PositionEmbedding } from '../../src/layers/position-embedding.js';
import { seededUniform } from '../../src/layers/seeded-uniform.js';
import { TokenMapping } from '../../src/layers/token-mapping.js';
import { TokenPooling } from '../../src/layers/token-pooling.js';
import { TokenWeights } from '../../src/layers/token-weights.js';
import { UnitLength } from '../../src/layers/unit-length.js';

let tensorsBefore = 0;
const called = new Set<layers.Layer>();
beforeAll(() => tf.setBackend('cpu'));
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
  tf.engine().startScope();
});
afterEach(() => {
  for (const weight of new Set([...called].flatMap((layer) => layer.weights))) weight.dispose();
  called.clear();
  tf.engine().endScope();
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

const random = (shape: number[], seed: number, width = 1): tf.Tensor => tf.randomUniform(shape, -width, width, 'float32', seed);

/** Calls a layer as the executor does; its weights are disposed behind the test. */
function run(layer: layers.Layer, inputs: tf.Tensor | tf.Tensor[], keywords: object = {}): tf.Tensor {
  called.add(layer);
  return layer.apply(inputs, keywords) as tf.Tensor;
}

/** The largest difference between the gradient that is given and the one by finite differences, over all inputs. */
function gradientError(compute: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, step = 1e-2): number {
  const weights = random(compute(x).shape, 99);
  const loss = (values: tf.Tensor): tf.Scalar => tf.sum(tf.mul(compute(values), weights));
  const given = tf.grad(loss)(x).dataSync();
  const values = x.dataSync().slice();
  const at = (index: number, shift: number): number => {
    const moved = values.slice();
    moved[index]! += shift;
    return tf.tidy(() => loss(tf.tensor(moved, x.shape)).dataSync()[0]!);
  };
  return Math.max(...Array.from(values, (_, index) => Math.abs((at(index, step) - at(index, -step)) / (2 * step) - given[index]!)));
}

const largest = (a: tf.Tensor, b: tf.Tensor): number => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!;

describe('GELU', () => {
  it('has the numbers of the error function', () => {
    const values = gelu(tf.tensor1d([-3, -1, -0.5, 0, 0.5, 1, 3])).dataSync();
    const expected = [-0.0040496941, -0.1586552539, -0.1542687694, 0, 0.3457312306, 0.8413447461, 2.9959503059];
    expected.forEach((value, index) => expect(values[index]).toBeCloseTo(value, 6));
  });

  it('has the numbers of the approximation by tanh', () => {
    const values = tanhGelu(tf.tensor1d([-1, 0.5, 2])).dataSync();
    [-0.15880800939, 0.34571400982, 1.954597694].forEach((value, index) => expect(values[index]).toBeCloseTo(value, 6));
  });

  it.each(activationNames)('%s has the gradient that its numbers have', (activation) => {
    const layer = new Activation({ name: `act-${activation}`, activation });
    // Away from 0, where relu has a corner.
    expect(gradientError((x) => run(layer, x), tf.tensor1d([-2.1, -0.7, -0.2, 0.3, 0.9, 2.2]))).toBeLessThan(2e-3);
  });
});

describe('LayerNormalization', () => {
  const layer = (epsilon = 1e-12): LayerNormalization => new LayerNormalization({ name: `norm-${epsilon}`, epsilon });

  it('has the numbers of PyTorch, with the biased variance', () => {
    const normal = layer(1e-5);
    const values = run(
      normal,
      tf.tensor3d([
        [
          [1, 2, 3, 4],
          [-1, 0, 0, 9],
        ],
      ]),
    ).dataSync();
    const variance = (x: number[]): number => x.reduce((sum, value) => sum + (value - x.reduce((a, b) => a + b) / 4) ** 2, 0) / 4;
    [
      [1, 2, 3, 4],
      [-1, 0, 0, 9],
    ].forEach((row, index) =>
      row.forEach((value, at) => {
        const mean = row.reduce((a, b) => a + b) / 4;
        expect(values[index * 4 + at]).toBeCloseTo((value - mean) / Math.sqrt(variance(row) + 1e-5), 5);
      }),
    );
  });

  it('has the gradient that its numbers have, for inputs, gamma and beta', () => {
    const normal = layer(1e-3);
    const x = random([2, 3, 5], 1);
    run(normal, x);
    normal.weights.forEach((weight, index) => weight.write(random([5], 10 + index)));
    expect(gradientError((values) => run(normal, values), x, 3e-3)).toBeLessThan(5e-3);
    const learned = normal.weights.map((weight) => weight.read());
    const { grads } = tf.variableGrads(() => tf.sum(tf.mul(run(normal, x), random([2, 3, 5], 3))), learned as never);
    expect(Object.keys(grads)).toHaveLength(2);
  });

  it('names its weights gamma and beta', () => {
    const normal = new LayerNormalization({ name: 'layer-1/attention/normalization', epsilon: 1e-12 });
    run(normal, tf.ones([1, 2, 3]));
    expect(normal.weights.map((weight) => weight.originalName)).toEqual([
      'layer-1/attention/normalization/gamma',
      'layer-1/attention/normalization/beta',
    ]);
  });
});

describe('Dropout', () => {
  const drop = (rate: number): Dropout => new Dropout({ name: `drop-${rate}`, rate });

  it('does nothing outside training', () => {
    const x = random([4, 4], 1);
    expect(largest(run(drop(0.5), x, { training: false }), x)).toBe(0);
    expect(largest(run(drop(0.5), x), x)).toBe(0);
    expect(largest(run(drop(0), x, { training: true }), x)).toBe(0);
  });

  it('drops the share it says and keeps the expected sum', () => {
    const values = Float32Array.from(run(drop(0.25), tf.ones([200, 200]), { training: true, random: () => 7 }).dataSync());
    const zeros = values.filter((value) => value === 0).length / values.length;
    expect(zeros).toBeCloseTo(0.25, 1);
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(1, 1);
    expect(new Set(values).size).toBe(2);
  });

  it('has the same mask for the same seed and another for another', () => {
    const mask = (seed: number): string =>
      run(drop(0.5), tf.ones([8, 8]), { training: true, random: () => seed })
        .dataSync()
        .join();
    expect(mask(3)).toBe(mask(3));
    expect(mask(3)).not.toBe(mask(4));
  });

  it('refuses training without seeds', () => {
    expect(() => run(drop(0.5), tf.ones([2]), { training: true })).toThrow(/bad-option: layer "drop-0.5" .* was given no seeds/s);
  });
});

describe('MultiHeadAttention', () => {
  const attention = (dropout = 0): MultiHeadAttention => new MultiHeadAttention({ name: `attention-${dropout}`, heads: 2, dropout });

  /** Attention written as loops. */
  function byLoops(query: number[][], key: number[][], value: number[][], mask: number[], heads: number): number[][] {
    const size = query[0]!.length / heads;
    return query.map((row) =>
      row.map((_, feature) => {
        const start = Math.floor(feature / size) * size;
        const scores = key.map((other, at) =>
          mask[at] === 1
            ? Math.exp(other.slice(start, start + size).reduce((sum, x, i) => sum + x * row[start + i]!, 0) / Math.sqrt(size))
            : 0,
        );
        const total = scores.reduce((a, b) => a + b);
        return scores.reduce((sum, score, at) => sum + (score / total) * value[at]![feature]!, 0);
      }),
    );
  }

  it('has the numbers of attention written as loops, padding left out', () => {
    const parts = [1, 2, 3].map((seed) => random([1, 4, 6], seed, 2));
    const mask = [1, 1, 1, 0];
    const got = run(attention(), [...parts, tf.tensor2d([mask], [1, 4], 'int32')]);
    const [q, k, v] = parts.map((part) => (part.arraySync() as number[][][])[0]!);
    expect(largest(got, tf.tensor3d([byLoops(q!, k!, v!, mask, 2)]))).toBeLessThan(1e-5);
  });

  it('gives the same tokens whatever the padding, and stays finite where all is padding', () => {
    const parts = [1, 2, 3].map((seed) => random([1, 3, 4], seed));
    const padded = parts.map((part) =>
      tf.pad(
        part,
        [
          [0, 0],
          [0, 2],
          [0, 0],
        ],
        5,
      ),
    );
    const short = run(attention(), [...parts, tf.ones([1, 3], 'int32')]);
    const long = run(attention(), [...padded, tf.tensor2d([[1, 1, 1, 0, 0]], [1, 5], 'int32')]);
    expect(largest(short, tf.slice(long, [0, 0, 0], [1, 3, 4]))).toBeLessThan(1e-6);
    const nothing = run(attention(), [...parts, tf.zeros([1, 3], 'int32')]);
    expect(Array.from(nothing.dataSync()).every(Number.isFinite)).toBe(true);
  });

  it.each([0, 1, 2])('has the gradient that its numbers have, for input %i', (which) => {
    const parts = [1, 2, 3].map((seed) => random([2, 3, 4], seed));
    const mask = tf.tensor2d(
      [
        [1, 1, 1],
        [1, 1, 0],
      ],
      [2, 3],
      'int32',
    );
    const layer = attention();
    const compute = (x: tf.Tensor): tf.Tensor => run(layer, [...parts.map((part, index) => (index === which ? x : part)), mask]);
    expect(gradientError(compute, parts[which]!)).toBeLessThan(2e-3);
  });

  it('drops attention weights in training only', () => {
    const parts = [1, 2, 3].map((seed) => random([1, 3, 4], seed));
    const inputs = [...parts, tf.ones([1, 3], 'int32')];
    const still = run(attention(0.5), inputs, { training: false });
    const moved = run(attention(0.5), inputs, { training: true, random: () => 1 });
    expect(largest(still, run(attention(0), inputs))).toBe(0);
    expect(largest(still, moved)).toBeGreaterThan(0.01);
  });
});

describe('TokenPooling', () => {
  const sequence = (): tf.Tensor =>
    tf.tensor3d([
      [
        [1, -5],
        [3, -7],
        [100, 100],
      ],
      [
        [2, 4],
        [100, 100],
        [100, 100],
      ],
    ]);
  const mask = (): tf.Tensor =>
    tf.tensor2d(
      [
        [1, 1, 0],
        [1, 0, 0],
      ],
      [2, 3],
      'int32',
    );

  it.each([
    ['mean', [2, -6, 2, 4]],
    ['cls', [1, -5, 2, 4]],
    ['max', [3, -5, 2, 4]],
  ] as const)('%s leaves padding out', (mode, expected) => {
    const pooled = run(new TokenPooling({ name: `pool-${mode}`, mode }), [sequence(), mask()]);
    expect(Array.from(pooled.dataSync())).toEqual(expected);
    expect(pooled.shape).toEqual([2, 2]);
  });

  it('the mean of no token is 0', () => {
    const pooled = run(new TokenPooling({ name: 'pool-none', mode: 'mean' }), [sequence(), tf.zeros([2, 3], 'int32')]);
    expect(Array.from(pooled.dataSync())).toEqual([0, 0, 0, 0]);
  });

  it.each(['mean', 'cls', 'max'] as const)('%s has the gradient that its numbers have', (mode) => {
    const layer = new TokenPooling({ name: `pool-gradient-${mode}`, mode });
    expect(gradientError((x) => run(layer, [x, mask()]), random([2, 3, 2], 5))).toBeLessThan(1e-3);
  });
});

describe('UnitLength', () => {
  it('scales vectors to length 1 and leaves zeros', () => {
    const values = run(
      new UnitLength({ name: 'unit' }),
      tf.tensor2d([
        [3, 4],
        [0, 0],
      ]),
    ).dataSync();
    [0.6, 0.8, 0, 0].forEach((value, index) => expect(values[index]).toBeCloseTo(value, 6));
  });

  it('has a finite gradient at zero and the right one elsewhere', () => {
    const layer = new UnitLength({ name: 'unit-gradient' });
    expect(gradientError((x) => run(layer, x), random([2, 3], 4))).toBeLessThan(5e-3);
    const atZero = tf.grad((x: tf.Tensor) => tf.sum(run(layer, x)))(tf.zeros([1, 3]));
    expect(Array.from(atZero.dataSync()).every(Number.isFinite)).toBe(true);
  });
});

describe('embedding layers', () => {
  it('PositionEmbedding adds the first rows and refuses more tokens than it has positions for', () => {
    const layer = new PositionEmbedding({ name: 'positions', positions: 3 });
    const got = run(layer, tf.zeros([2, 2, 4]));
    const rows = tf.slice(layer.weights[0]!.read(), [0, 0], [2, 4]);
    expect(largest(got, tf.stack([rows, rows]))).toBe(0);
    expect(() => run(layer, tf.zeros([1, 4, 4]))).toThrow(/too-large: a text of 4 tokens .* positions for 3.*maxLength to 3/s);
  });

  it('TokenWeights multiplies each vector by the number of its token', () => {
    const layer = new TokenWeights({ name: 'token-weights', tokens: 3 });
    const ids = tf.tensor2d([[2, 0]], [1, 2], 'int32');
    run(layer, [tf.ones([1, 2, 2]), ids]);
    layer.weights[0]!.write(tf.tensor1d([1, 2, 5]));
    expect(Array.from(run(layer, [tf.ones([1, 2, 2]), ids]).dataSync())).toEqual([5, 5, 1, 1]);
  });

  it('TokenMapping sends tokens to rows and never learns', () => {
    const layer = new TokenMapping({ name: 'mapping', tokens: 3 });
    const ids = tf.tensor2d([[2, 0, 1]], [1, 3], 'int32');
    run(layer, ids);
    layer.weights[0]!.write(tf.tensor1d([1, 1, 0], 'int32'));
    expect(Array.from(run(layer, ids).dataSync())).toEqual([0, 1, 1]);
    expect(layer.trainableWeights).toHaveLength(0);
  });
});

describe('seededUniform', () => {
  it('gives the same numbers for the same name, about the deviation asked for, and no two equal rows', () => {
    const values = seededUniform([300, 256], 0.02, 'a');
    expect(largest(values, seededUniform([300, 256], 0.02, 'a'))).toBe(0);
    expect(largest(values, seededUniform([300, 256], 0.02, 'b'))).toBeGreaterThan(0.01);
    expect(tf.sqrt(tf.mean(tf.square(values))).dataSync()[0]).toBeCloseTo(0.02, 3);
    const rows = new Set((values.arraySync() as number[][]).map((row) => row.join()));
    expect(rows.size).toBe(300);
  });
});

describe('serialisation', () => {
  it('a model of these layers comes back from its topology with the same numbers', async () => {
    const ids = input({ shape: [null, 4], name: 'serialised-input' });
    const mask = input({ shape: [null], dtype: 'int32', name: 'serialised-mask' });
    let hidden = new PositionEmbedding({ name: 's/position', positions: 5 }).apply(ids) as SymbolicTensor;
    hidden = new LayerNormalization({ name: 's/norm', epsilon: 1e-6 }).apply(hidden) as SymbolicTensor;
    hidden = new MultiHeadAttention({ name: 's/attention', heads: 2, dropout: 0.1 }).apply([
      hidden,
      hidden,
      hidden,
      mask,
    ]) as SymbolicTensor;
    hidden = new Dropout({ name: 's/dropout', rate: 0.1 }).apply(
      new Activation({ name: 's/act', activation: 'gelu' }).apply(hidden),
    ) as SymbolicTensor;
    const pooled = new UnitLength({ name: 's/unit' }).apply(
      new TokenPooling({ name: 's/pool', mode: 'max' }).apply([hidden, mask]),
    ) as SymbolicTensor;
    const original = makeModel({ inputs: [ids, mask], outputs: pooled, name: 'serialised' });
    const topology = JSON.parse(original.toJSON() as string) as { model_config: object };
    const copy = await models.modelFromJSON(topology as never);
    copy.setWeights(original.getWeights());
    const feed = [
      random([2, 3, 4], 1),
      tf.tensor2d(
        [
          [1, 1, 0],
          [1, 1, 1],
        ],
        [2, 3],
        'int32',
      ),
    ];
    expect(largest(original.predict(feed) as tf.Tensor, copy.predict(feed) as tf.Tensor)).toBe(0);
    original.dispose();
    copy.dispose();
  });
});
