import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { input, layers, model } from '@tensorflow/tfjs-layers';
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { BatchNormalization } from '../../src/layers/batch-normalization.js';
import { normalizedConvolution } from '../../src/layers/normalized-convolution.js';
import { inference, runGraph, type LayerAdapter, type RunOptions } from '../../src/layers/run-graph.js';
import { installWasmKernels } from '../../src/runtimes/wasm-kernels.js';

const random = (shape: number[], seed: number, low = -1, high = 1): tf.Tensor => tf.randomUniform(shape, low, high, 'float32', seed);
const difference = (a: tf.Tensor, b: tf.Tensor): number => tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!);
let made = 0;
const fresh = (): string => `layer-${made++}`;

/** Convolutions of every kind that networks have. */
const convolutions: Record<string, () => layers.Layer> = {
  'with stride 2': () => layers.conv2d({ name: fresh(), filters: 5, kernelSize: 3, strides: 2, padding: 'same', useBias: false }),
  'of 1x1 with a bias': () => layers.conv2d({ name: fresh(), filters: 4, kernelSize: 1, biasInitializer: 'randomUniform' }),
  'spread out': () => layers.conv2d({ name: fresh(), filters: 4, kernelSize: 3, dilationRate: 2, padding: 'same' }),
  depthwise: () => layers.depthwiseConv2d({ name: fresh(), kernelSize: 3, strides: 2, padding: 'same', useBias: false }),
  'depthwise with two outputs a channel, and a bias': () =>
    layers.depthwiseConv2d({ name: fresh(), kernelSize: 3, padding: 'valid', depthMultiplier: 2, biasInitializer: 'randomUniform' }),
};

interface Network {
  readonly network: LayersModel;
  readonly pixels: SymbolicTensor;
  readonly convolution: layers.Layer;
  readonly normalization: BatchNormalization;
  readonly convolved: SymbolicTensor;
  readonly normalized: SymbolicTensor;
}

/** A convolution with a normalisation behind it whose statistics and weights are anything. */
function networkOf(convolution: layers.Layer, options: { scale?: boolean; center?: boolean } = {}): Network {
  const pixels = input({ shape: [8, 7, 3] });
  const convolved = convolution.apply(pixels) as SymbolicTensor;
  const normalization = new BatchNormalization({ name: fresh(), epsilon: 1e-3, ...options });
  const normalized = normalization.apply(convolved) as SymbolicTensor;
  normalization.weights.forEach((weight, index) => weight.write(random(weight.shape as number[], 5 + index, 0.2, 2)));
  return { network: model({ inputs: pixels, outputs: normalized }), pixels, convolution, normalization, convolved, normalized };
}

/** Layer by layer, as each of them says. */
const plainly = ({ convolution, normalization }: Network, values: tf.Tensor): tf.Tensor =>
  normalization.apply(convolution.apply(values)) as tf.Tensor;

const together = ({ pixels, normalized }: Network, values: tf.Tensor, options: RunOptions = inference): tf.Tensor =>
  runGraph(new Map([[pixels, values]]), [normalized], options)[0]!;

const variablesOf = ({ network }: Network): tf.Variable[] =>
  network.trainableWeights.map((weight) => weight.read()) as unknown[] as tf.Variable[];

describe.each(['cpu', 'wasm'])('a convolution and the normalisation behind it on %s', (backend) => {
  beforeAll(async () => {
    await tf.setBackend(backend);
    await tf.ready();
    if (backend === 'wasm') installWasmKernels();
  });

  test.each(Object.keys(convolutions))('%s: run as one they give what they give one by one', (kind) => {
    for (const options of [{}, { scale: false }, { center: false }]) {
      const network = networkOf(convolutions[kind]!(), options);
      const values = random([2, 8, 7, 3], 1);
      const call = vi.spyOn(network.normalization, 'call');
      const before = tf.memory().numTensors;
      const result = together(network, values);
      expect(call).not.toHaveBeenCalled();
      expect(tf.memory().numTensors).toBe(before + 1);
      expect(difference(result, plainly(network, values))).toBeLessThan(1e-5);
      network.network.dispose();
    }
  });

  test.each(Object.keys(convolutions).filter((kind) => kind !== 'spread out'))('%s: the gradients are the same', (kind) => {
    const network = networkOf(convolutions[kind]!());
    const values = random([2, 8, 7, 3], 1);
    const pull = random(network.normalized.shape.map((size) => size ?? 2), 9); // prettier-ignore
    const [one, other] = [together, plainly].map((run) => {
      const byInput = tf.grad((pixels) => tf.sum(tf.mul(run(network, pixels), pull)))(values);
      const { grads } = tf.variableGrads(() => tf.sum(tf.mul(run(network, values), pull)), variablesOf(network));
      return [byInput, ...variablesOf(network).map(({ name }) => grads[name]!)];
    });
    one!.forEach((gradient, index) => expect(difference(gradient, other![index]!)).toBeLessThan(2e-4));
  });
});

describe('what is not run as one', () => {
  beforeAll(() => tf.setBackend('cpu'));
  const values = () => random([2, 8, 7, 3], 1);
  const plain = convolutions['of 1x1 with a bias']!;

  test('a normalisation by the statistics of the batch', () => {
    const network = networkOf(plain());
    const call = vi.spyOn(network.normalization, 'call');
    const training = { training: (layer: layers.Layer) => layer === network.normalization };
    const result = together(network, values(), training);
    expect(call).toHaveBeenCalledOnce();
    expect(Math.abs(tf.mean(result).dataSync()[0]! - tf.mean(network.normalization.weights[1]!.read()).dataSync()[0]!)).toBeLessThan(1e-4);
  });

  test('a convolution that an adapter changes', () => {
    const network = networkOf(plain());
    const adapter: LayerAdapter = {
      weights: () => [],
      handles: (layer) => layer === network.convolution,
      apply: (layer, [given]) => tf.mul(layer.apply(given!) as tf.Tensor, 3),
    };
    const expected = network.normalization.apply(tf.mul(network.convolution.apply(values()) as tf.Tensor, 3)) as tf.Tensor;
    expect(difference(together(network, values(), { ...inference, adapter }), expected)).toBe(0);
  });

  test('a convolution whose own result is wanted, or taken by another layer', () => {
    const network = networkOf(plain());
    const { pixels, convolved, normalized } = network;
    const [first, second] = runGraph(new Map([[pixels, values()]]), [convolved, normalized]);
    expect(difference(first!, network.convolution.apply(values()) as tf.Tensor)).toBe(0);
    expect(difference(second!, plainly(network, values()))).toBe(0);
    const sum = layers.add({ name: fresh() }).apply([convolved, normalized]) as SymbolicTensor;
    const [both] = runGraph(new Map([[pixels, values()]]), [sum]);
    expect(difference(both!, tf.add(first!, second!))).toBe(0);
  });

  test('a convolution whose result is fed', () => {
    const network = networkOf(plain());
    const convolved = network.convolution.apply(values()) as tf.Tensor;
    const [result] = runGraph(new Map([[network.convolved, convolved]]), [network.normalized]);
    expect(difference(result!, network.normalization.apply(convolved) as tf.Tensor)).toBe(0);
  });

  test.each<[string, layers.Layer]>([
    ['with an activation', layers.conv2d({ name: fresh(), filters: 2, kernelSize: 1, activation: 'relu' })],
    ['with channels first', layers.conv2d({ name: fresh(), filters: 2, kernelSize: 1, dataFormat: 'channelsFirst' })],
    ['turned round', layers.conv2dTranspose({ name: fresh(), filters: 2, kernelSize: 1 })],
    ['in another class', layers.dense({ name: fresh(), units: 2 })],
  ])('a layer %s', (_what, layer) => {
    layer.apply(input({ shape: [4, 4, 2] }));
    expect(normalizedConvolution(layer, new BatchNormalization({ name: fresh(), epsilon: 1e-3 }))).toBeUndefined();
  });
});
