/** What an adapter computes in training, on its own and against the formulas. */
import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { createAdapter } from '../../src/adapters/create-adapter.js';
import { linearLayer } from '../../src/adapters/linear-layer.js';
import { lora } from '../../src/adapters/lora.js';
import { LowRankUpdate } from '../../src/adapters/low-rank-update.js';
import { bert } from '../../src/backbones/bert.js';
import { createRandom } from '../../src/common/random.js';
import { dropValues } from '../../src/layers/drop-values.js';
import { runGraph } from '../../src/layers/run-graph.js';
import { runtime } from '../../src/runtimes/node.js';
import { tinyBase } from '../../src/testing/tiny-model.js';
import { randomize } from './random-adapter.js';

beforeAll(() => runtime.chooseBackend('wasm'));

const noise = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

/** A layer with random weights, and its parts. */
function built(layer: layers.Layer, inputs: number[]) {
  layer.build([null, ...inputs.slice(1)]);
  layer.setWeights(layer.getWeights().map((weight, index) => noise(weight.shape, 20 + index)));
  return { layer, linear: linearLayer(layer)! };
}

const samples = [
  {
    name: 'dense with a bias and an activation',
    layer: () => layers.dense({ units: 5, activation: 'tanh', name: 'a' }),
    inputs: [2, 3, 4],
  },
  {
    name: 'strided convolution, same padding',
    layer: () => layers.conv2d({ filters: 5, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu', name: 'b' }),
    inputs: [2, 7, 6, 4],
  },
  {
    name: 'dilated convolution without a bias',
    layer: () => layers.conv2d({ filters: 3, kernelSize: [2, 3], dilationRate: 2, useBias: false, name: 'c' }),
    inputs: [1, 9, 9, 2],
  },
];

describe.each(samples)('$name', ({ layer: make, inputs: shape }) => {
  test.each([false, true])('beside the layer and within its kernel it gives the same (DoRA: %s)', (dora) => {
    const { layer, linear } = built(make(), shape);
    const update = new LowRankUpdate(linear, { rank: 2, alpha: 3, dora }, createRandom(1));
    update.up.assign(noise(update.up.shape, 5) as never);
    update.magnitude?.assign(tf.mul(update.magnitude, 1.3));
    const inputs = noise(shape, 3);
    const beside = tf.tidy(() => {
      const product = update.adapt(linear.multiply(inputs, linear.kernel.read()), inputs);
      return linear.activate(linear.bias === undefined ? product : tf.add(product, linear.bias.read()));
    });
    linear.kernel.write(update.mergedKernel());
    const within = layer.apply(inputs) as tf.Tensor;
    expect(beside.shape).toEqual(within.shape);
    expect(Math.max(...tf.abs(tf.sub(beside, within)).dataSync())).toBeLessThan(1e-5);
  });
});

test.each([false, true])('dropout falls on the inputs of the update alone (DoRA: %s)', (dora) => {
  const { linear } = built(layers.dense({ units: 5, name: 'd' }), [3, 4]);
  const update = new LowRankUpdate(linear, { rank: 2, alpha: 3, dora }, createRandom(1));
  update.up.assign(noise(update.up.shape, 5) as never);
  update.magnitude?.assign(tf.mul(update.magnitude, 1.3));
  const inputs = noise([3, 4], 3);
  const kernel = linear.kernel.read() as tf.Tensor2D;
  const seen = dropValues(inputs, 0.5, 11) as tf.Tensor2D;
  const product = tf.matMul(inputs as tf.Tensor2D, kernel);
  const low = tf.mul(tf.matMul(tf.matMul(seen, update.down as never), update.up as never), 1.5);
  const lengths = tf.sqrt(tf.sum(tf.square(tf.add(kernel, tf.mul(tf.matMul(update.down as never, update.up as never), 1.5))), 0));
  const factor = dora ? tf.div(update.magnitude!, lengths) : tf.onesLike(lengths);
  // As PEFT writes it: result + (factor - 1) * base + factor * update.
  const expected = tf.add(tf.add(product, tf.mul(tf.sub(factor, 1), tf.matMul(seen, kernel))), tf.mul(factor, low));
  const received = update.adapt(product, inputs, { rate: 0.5, seed: 11 });
  expect(Math.max(...tf.abs(tf.sub(expected, received)).dataSync())).toBeLessThan(1e-5);
});

describe('in training', () => {
  const prepare = async (dropout: number) => {
    const base = await tinyBase(bert, runtime);
    const adapter = randomize(createAdapter(base, lora({ rank: 2, dropout, targets: ['query', 'value'] })));
    const ids = tf.tensor2d([[2, 10, 11, 3]], [1, 4], 'int32');
    const feeds = new Map(base.parts.built.model.inputs.map((input) => [input, input.sourceLayer.name === 'ids' ? ids : tf.onesLike(ids)]));
    const run = (seed?: () => number) =>
      tf.tidy(() => {
        const random = seed === undefined ? {} : { random: seed };
        return [
          ...runGraph(feeds, [base.feature('pooled')], { training: () => false, ...random, adapter: adapter.training })[0]!.dataSync(),
        ];
      });
    return { base, adapter, feeds, run };
  };

  test('dropout is drawn from the seeds it is given', async () => {
    const { run } = await prepare(0.5);
    const counter = (start: number) => () => start++;
    expect(run(counter(1))).toEqual(run(counter(1)));
    expect(run(counter(1))).not.toEqual(run(counter(100)));
    expect(() => run()).toThrow(/was given no seeds/);
  });

  test('no gradient of a frozen kernel is formed', async () => {
    const { base, adapter, feeds } = await prepare(0);
    const kernel = base.parts.built.model.getLayer('layer-2/intermediate').weights[0]!.shape.join();
    const formed = async (mode: 'inference' | 'training') => {
      const { kernels } = await tf.profile(() => {
        const loss = () =>
          tf.sum<tf.Scalar>(tf.square(runGraph(feeds, [base.feature('pooled')], { training: () => false, adapter: adapter[mode] })[0]!));
        tf.dispose(
          tf.variableGrads(
            loss,
            adapter.weights().map(({ variable }) => variable),
          ) as never,
        );
      });
      return kernels.filter(
        ({ name, outputShapes }) => name === 'BatchMatMul' && outputShapes.some((shape) => shape.slice(-2).join() === kernel),
      ).length;
    };
    // tfjs's own layers do form it, also where it is thrown away; should that change, the adapter need not take them apart.
    expect(await formed('inference')).toBeGreaterThan(0);
    expect(await formed('training')).toBe(0);
  });
});

test('the same seed gives the same start, as PEFT draws it; another seed another', async () => {
  const base = await tinyBase(bert, runtime);
  const start = (seed: number) =>
    createAdapter(base, lora({ rank: 4 }), seed)
      .weights()
      .find(({ name }) => name === 'layer-1/output/lora_a')!
      .variable.dataSync();
  expect(start(1)).toEqual(start(1));
  expect(start(1)).not.toEqual(start(2));
  const bound = 1 / Math.sqrt(base.parts.built.model.getLayer('layer-1/output').weights[0]!.shape[0]!);
  expect(Math.max(...start(1))).toBeLessThanOrEqual(bound);
  expect(Math.max(...start(1))).toBeGreaterThan(0.8 * bound);
});

test('it counts and describes itself', async () => {
  const base = await tinyBase(bert, runtime);
  const adapter = createAdapter(base, lora({ rank: 2, targets: { groups: ['layer-2'], layers: ['attention/*'] } }));
  expect(adapter.layers.map(({ layer }) => layer)).toEqual(['query', 'key', 'value', 'output'].map((part) => `layer-2/attention/${part}`));
  expect(adapter.firstGroup).toBe(2);
  expect(adapter.parameters).toBe(4 * 2 * (16 + 16));
  expect(adapter.describe()).toMatch(/^LoRA rank 2 on 4 layers: 256 trained parameters, \d[\d.]* % of the base$/);
  expect(createAdapter(base, lora({ targets: ['layer-1/output'], dora: true })).describe()).toMatch(/^DoRA rank 8 on 1 layer: /);
});
