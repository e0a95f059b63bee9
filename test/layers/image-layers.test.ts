import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, test } from 'vitest';
import { BatchNormalization } from '../../src/layers/batch-normalization.js';
import { DilatedDepthwise } from '../../src/layers/dilated-depthwise.js';
import { GlobalPooling } from '../../src/layers/global-pooling.js';
import { Greyscale } from '../../src/layers/greyscale.js';
import { HardSigmoid, HardSwish } from '../../src/layers/hard-sigmoid.js';
import { Relu6, relu6 } from '../../src/layers/relu6.js';

const random = (shape: number[], low = -1, high = 1, seed = 3): tf.Tensor => tf.randomUniform(shape, low, high, 'float32', seed);
const difference = (a: tf.Tensor, b: tf.Tensor): number => tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!);
const training = { training: true } as never;

/** Our layer and tfjs's own with the same weights. */
function normalizations(input: tf.Tensor) {
  const ours = new BatchNormalization({ name: `ours-${tf.memory().numTensors}`, epsilon: 1e-2, momentum: 0.8 });
  const stock = layers.batchNormalization({ epsilon: 1e-2, momentum: 0.8 });
  for (const layer of [ours, stock]) {
    layer.apply(input);
    layer.setWeights([random([3], 0.5, 2, 1), random([3], -1, 1, 2), random([3], -1, 1, 4), random([3], 0.5, 2, 5)]);
  }
  return [ours, stock] as const;
}

describe.each(['cpu', 'wasm'])('layers for photos on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
  });

  test.each([[[4, 3]], [[2, 5, 4, 3]]])('batch normalisation equals tfjs in inference and in training, shape %j', (shape) => {
    const input = random(shape, -2, 3);
    const [ours, stock] = normalizations(input);
    expect(difference(ours.apply(input) as tf.Tensor, stock.apply(input) as tf.Tensor)).toBeLessThan(1e-5);
    expect(difference(ours.apply(input, training) as tf.Tensor, stock.apply(input, training) as tf.Tensor)).toBeLessThan(1e-5);
    ours.getWeights().forEach((weight, index) => expect(difference(weight, stock.getWeights()[index]!)).toBeLessThan(1e-5));
  });

  test('batch normalisation has the gradients of tfjs, with respect to input, gamma and beta', () => {
    const input = random([2, 4, 3, 3], -2, 3);
    const pull = random([2, 4, 3, 3], -1, 1, 9);
    const [ours, stock] = normalizations(input);
    const all = [ours, stock].map((layer) => {
      const byInput = tf.grad((values) => tf.sum(tf.mul(layer.apply(values, training) as tf.Tensor, pull)))(input);
      const weights = layer.trainableWeights.map((weight) => weight.read()) as unknown[] as tf.Variable[];
      const { grads } = tf.variableGrads(() => tf.sum(tf.mul(layer.apply(input, training) as tf.Tensor, pull)), weights);
      return [byInput, ...weights.map((weight) => grads[weight.name]!)];
    });
    all[0]!.forEach((gradient, index) => expect(difference(gradient, all[1]![index]!)).toBeLessThan(2e-4));
  });

  test('batch normalisation trains without scale and without center, where tfjs crashes', () => {
    for (const options of [{ scale: false }, { center: false }, { scale: false, center: false }]) {
      const layer = new BatchNormalization({ name: `bn-${JSON.stringify(options).length}`, epsilon: 1e-3, ...options });
      const input = random([6, 3], 1, 4);
      const output = layer.apply(input, training) as tf.Tensor;
      expect(difference(tf.mean(output, 0), tf.zeros([3]))).toBeLessThan(1e-5);
      expect(layer.weights).toHaveLength(4 - Object.keys(options).length);
      expect(layer.nonTrainableWeights).toHaveLength(2);
    }
  });

  test('relu6 has the values and the gradient of tfjs', () => {
    const input = tf.concat([random([200], -4, 10), tf.tensor1d([0, 6, -1, 7, 3])]);
    const [ours, stock] = [relu6, tf.relu6].map((operation) => tf.valueAndGrad((values) => operation(values))(input));
    expect(difference(ours!.value, stock!.value)).toBe(0);
    // At exactly 6 there are two opinions; TensorFlow's is 0.
    const expected = tf.mul(stock!.grad, tf.cast(tf.notEqual(input, 6), 'float32'));
    expect(difference(ours!.grad, expected)).toBe(0);
    expect(difference(new Relu6({ name: `relu6-${backend}` }).apply(input) as tf.Tensor, stock!.value)).toBe(0);
  });

  test.each([
    [2, 7, 6],
    [3, 5, 8],
    [4, 6, 6],
  ])('a kernel spread by %d on %d x %d equals tfjs, and has a gradient', (dilation, height, width) => {
    const input = random([2, height, width, 3]) as tf.Tensor4D;
    const layer = new DilatedDepthwise({ name: `dilated-${backend}-${dilation}-${height}`, dilation });
    const output = layer.apply(input) as tf.Tensor;
    expect(
      difference(output, tf.depthwiseConv2d(input, layer.weights[0]!.read() as tf.Tensor4D, 1, 'same', 'NHWC', dilation)),
    ).toBeLessThan(1e-5);
    if (backend === 'wasm') return; // its convolutions have no gradient of their own
    const gradient = tf.grad((values) => tf.sum(layer.apply(values) as tf.Tensor))(input);
    expect(gradient.shape).toEqual(input.shape);
  });

  test('global pooling keeps its axes where it is told to', () => {
    const input = random([2, 3, 4, 5]);
    const kept = new GlobalPooling({ name: `kept-${backend}`, mode: 'maximum', keepAxes: true });
    expect((kept.apply(input) as tf.Tensor).shape).toEqual([2, 1, 1, 5]);
    expect(kept.computeOutputShape([null, 3, 4, 5])).toEqual([null, 1, 1, 5]);
    const mean = new GlobalPooling({ name: `mean-${backend}`, mode: 'average' });
    expect(difference(mean.apply(input) as tf.Tensor, tf.mean(input, [1, 2]))).toBe(0);
  });

  test('greyscale and hard sigmoid', () => {
    const grey = new Greyscale({ name: `grey-${backend}` }).apply(tf.tensor4d([1, 0, 0, 1, 1, 1], [1, 1, 2, 3])) as tf.Tensor;
    expect(grey.shape).toEqual([1, 1, 2, 1]);
    expect(difference(grey, tf.tensor4d([0.299, 1], [1, 1, 2, 1]))).toBeLessThan(1e-6);
    const values = tf.tensor1d([-4, -1.5, 0, 3]);
    expect(difference(new HardSigmoid().apply(values), tf.tensor1d([0, 0.25, 0.5, 1]))).toBeLessThan(1e-6);
    expect(difference(new HardSwish().apply(values), tf.tensor1d([0, -0.375, 0, 3]))).toBeLessThan(1e-6);
  });
});

test('every layer is made again from its settings', () => {
  const made = [
    new BatchNormalization({ name: 'a', epsilon: 0.5, momentum: 0.7, center: false, scale: false }),
    new DilatedDepthwise({ name: 'b', dilation: 2 }),
    new GlobalPooling({ name: 'c', mode: 'average', keepAxes: true }),
    new Greyscale({ name: 'd' }),
    new Relu6({ name: 'e' }),
  ];
  for (const layer of made) {
    const [make, fromConfig] = tf.serialization.SerializationMap.getMap().classNameMap[layer.getClassName()]!;
    expect(fromConfig(make as never, layer.getConfig()).getConfig()).toEqual(layer.getConfig());
  }
  expect(new HardSigmoid().getConfig()).toEqual({});
});
