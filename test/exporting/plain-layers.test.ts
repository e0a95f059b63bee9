/** Each of our layers that plain tfjs can compute gives the same numbers there. */
import * as tf from '@tensorflow/tfjs-core';
import { input, layers, model as layersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';
import { createRandom } from '../../src/common/random.js';
import { plainLayers } from '../../src/exporting/plain-layers.js';
import { Activation, activationNames } from '../../src/layers/activation.js';
import { BatchNormalization } from '../../src/layers/batch-normalization.js';
import { DilatedDepthwise } from '../../src/layers/dilated-depthwise.js';
import { disposeModel } from '../../src/layers/dispose-model.js';
import { Dropout } from '../../src/layers/dropout.js';
import { GlobalPooling } from '../../src/layers/global-pooling.js';
import { Greyscale } from '../../src/layers/greyscale.js';
import '../../src/layers/hard-sigmoid.js';
import { LayerNormalization } from '../../src/layers/layer-normalization.js';
import { Relu6 } from '../../src/layers/relu6.js';
import { Standardize } from '../../src/layers/standardize.js';
import { UnitLength } from '../../src/layers/unit-length.js';
import { runtime } from '../../src/runtimes/node.js';
import { expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { expectError } from '../weights/expect-error.js';

beforeAll(() => runtime.chooseBackend('wasm'));

const drawn = (shape: readonly number[], seed: number, from = -3, to = 3): tf.Tensor => {
  const random = createRandom(seed);
  return tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => from + (to - from) * random.next()),
    [...shape],
  );
};

const plainActivations = activationNames.filter((name) => name !== 'quick_gelu');
const picture = [2, 5, 4, 3];
const cases: readonly (readonly [string, () => layers.Layer, number[]])[] = [
  ['Relu6', () => new Relu6({ name: 'one' }), picture],
  ['BatchNormalization', () => new BatchNormalization({ name: 'one', epsilon: 1e-3 }), picture],
  ['BatchNormalization without scale', () => new BatchNormalization({ name: 'one', epsilon: 1e-5, scale: false }), picture],
  ['BatchNormalization without centre', () => new BatchNormalization({ name: 'one', epsilon: 1e-5, center: false }), picture],
  ['Dropout', () => new Dropout({ name: 'one', rate: 0.5 }), picture],
  ['LayerNormalization', () => new LayerNormalization({ name: 'one', epsilon: 1e-5 }), [2, 4, 6]],
  ...plainActivations.map(
    (activation) => [`Activation ${activation}`, () => new Activation({ name: 'one', activation }), picture] as const,
  ),
  ['GlobalPooling average', () => new GlobalPooling({ name: 'one', mode: 'average' }), picture],
  ['GlobalPooling maximum', () => new GlobalPooling({ name: 'one', mode: 'maximum', keepAxes: true }), picture],
  ['Greyscale', () => new Greyscale({ name: 'one' }), picture],
  ['Standardize', () => new Standardize({ name: 'one' }), [3, 7]],
  [
    'Dense with an initialiser',
    () => layers.dense({ name: 'one', units: 4, kernelRegularizer: 'l1l2', activation: 'gelu' as never }),
    [3, 7],
  ],
];

/** A layer as a model of its own, its weights drawn at random. */
function modelOf(chain: readonly layers.Layer[], shape: readonly number[]) {
  const start = input({ shape: shape.slice(1) });
  return layersModel({ inputs: start, outputs: chain.reduce((tensor, layer) => layer.apply(tensor) as SymbolicTensor, start) });
}

test.each(cases)('%s', async (_name, make, shape) => {
  await expectNoLeaks(() => {
    const layer = make();
    const own = modelOf([layer], shape);
    layer.weights.forEach((weight, index) => {
      const value = drawn(weight.shape as number[], index + 1, 0.2, 2);
      weight.write(value);
      value.dispose();
    });
    const { chain, weights } = plainLayers(layer, 'plain', shape);
    expect(chain[0]!.name).toBe('plain');
    const plain = modelOf(chain, shape);
    tf.tidy(() => {
      chain[0]!.setWeights([...weights(layer.weights.map((weight) => weight.read()))]);
      const x = drawn(shape, 9);
      const [expected, received] = [own, plain].map((model) => model.predict(x) as tf.Tensor);
      expect(received!.shape).toEqual(expected!.shape);
      expect(tf.max(tf.abs(tf.sub(expected!, received!))).dataSync()[0]).toBeLessThan(2e-6);
    });
    disposeModel(own);
    disposeModel(plain);
  });
});

const refused: readonly (readonly [() => layers.Layer, string])[] = [
  [() => new Activation({ name: 'one', activation: 'quick_gelu' }), 'its activation "quick_gelu" is none of tfjs'],
  [() => layers.activation({ name: 'one', activation: 'TransferKitHardSwish' as never }), 'its activation "TransferKitHardSwish"'],
  [() => new UnitLength({ name: 'one' }), 'layer "one" of class TransferKitUnitLength cannot be exported to tfjs'],
  [() => new DilatedDepthwise({ name: 'one', dilation: 2 }), 'tfjs has no such layer'],
];

test.each(refused)('what tfjs lacks is refused: %#', async (make, piece) => {
  await expectError(() => plainLayers(make(), 'plain', picture), 'unsupported', piece, 'exportOnnx');
});
