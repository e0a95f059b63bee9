import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfLayers from '@tensorflow/tfjs-layers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { namedWeights } from '../../src/layers/named-weights.js';
import { memory } from '../../src/sources/memory.js';
import type { Checkpoint } from '../../src/sources/source.js';
import { fillModel, type WeightRow, type WeightTable } from '../../src/weights/fill-model.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { testRuntime } from '../sources/test-runtime.js';
import { expectError } from './expect-error.js';

const rows: readonly WeightRow[] = [
  ['stem/kernel', 'features.0.weight', 'conv2d'],
  ['spread/depthwise_kernel', 'features.1.weight', 'depthwise'],
  ['top/kernel', 'fc.weight', 'linear'],
  ['top/bias', 'fc.bias', 'copy'],
];
const table = (changed: readonly WeightRow[] = rows): WeightTable<object> => ({
  detect: (names) => names.has('features.0.weight') || names.has('fc.weight'),
  rows: () => changed,
  ignore: [/^head\./, /num_batches_tracked$/g],
});

const countUp = (...shape: number[]): TensorValue => {
  const length = shape.reduce((product, size) => product * size, 1);
  return { shape, values: Float32Array.from({ length }, (_, index) => index) };
};
const published = (): Record<string, TensorValue> => ({
  'features.0.weight': countUp(4, 3, 2, 2),
  'features.1.weight': countUp(8, 1, 3, 3),
  'fc.weight': countUp(5, 8),
  'fc.bias': countUp(5),
  'head.weight': countUp(2, 5),
  'features.0.num_batches_tracked': { shape: [], values: new Int32Array([3]) },
});

let model: tfLayers.LayersModel;
let before: number;

beforeEach(async () => {
  await tf.setBackend('cpu');
  before = tf.memory().numTensors;
  const input = tfLayers.input({ shape: [8, 8, 3] });
  const stem = tfLayers.layers.conv2d({ filters: 4, kernelSize: 2, useBias: false, name: 'stem' }).apply(input);
  const spread = tfLayers.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, useBias: false, name: 'spread' }).apply(stem);
  const pooled = tfLayers.layers.globalAveragePooling2d({}).apply(spread);
  const top = tfLayers.layers.dense({ units: 5, name: 'top' }).apply(pooled) as tfLayers.SymbolicTensor;
  model = tfLayers.model({ inputs: input, outputs: top });
});

afterEach(() => {
  model.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

const open = (tensors: Record<string, TensorValue>, origin = 'acme/net'): Promise<Checkpoint> =>
  memory({ tensors, origin }).open({ runtime: testRuntime() });

async function fill(
  tensors: Record<string, TensorValue>,
  tables: Record<string, WeightTable<object>> = { torch: table() },
  signal?: AbortSignal,
) {
  const checkpoint = await open(tensors);
  return fillModel({ family: 'tiny-net', weights: namedWeights(model), checkpoint, tables, config: {}, signal });
}

const read = (name: string): number[] => Array.from(namedWeights(model).get(name)!.read().dataSync());

describe('a checkpoint that fits', () => {
  test('fills every weight, with the axes turned, and says which layout it had', async () => {
    expect(await fill(published(), { keras: { ...table(), detect: () => false }, torch: table() })).toEqual({ layout: 'torch' });
    expect(read('top/bias')).toEqual([0, 1, 2, 3, 4]);
    expect(read('top/kernel').slice(0, 5)).toEqual([0, 8, 16, 24, 32]); // [out, in] -> [in, out]
    expect(read('stem/kernel').slice(0, 4)).toEqual([0, 12, 24, 36]); // first pixel and input, each output
    expect(read('spread/depthwise_kernel').slice(0, 8)).toEqual([0, 9, 18, 27, 36, 45, 54, 63]);
  });

  test('integers fill float weights, and one tensor may serve two weights', async () => {
    const tensors = { ...published(), 'fc.bias': { shape: [5], values: new Int32Array([1, 2, 3, 4, 5]) } };
    await fill(tensors);
    expect(read('top/bias')).toEqual([1, 2, 3, 4, 5]);
  });

  test('leaves no tensor behind', async () => {
    const count = tf.memory().numTensors;
    await fill(published());
    expect(tf.memory().numTensors).toBe(count);
  });

  test('stops when it is aborted', async () => {
    await expectError(fill(published(), undefined, AbortSignal.abort()), 'aborted', 'tiny-net');
  });
});

describe('a checkpoint that does not fit', () => {
  test('every mismatch is in one error, before any byte is read or weight written', async () => {
    const { 'features.1.weight': _, ...tensors } = published();
    const checkpoint = await open({ ...tensors, 'features.0.weight': countUp(6, 3, 2, 2), 'extra.weight': countUp(7) });
    let reads = 0;
    const counted = { ...checkpoint, tensor: (name: string) => (reads++, checkpoint.tensor(name)) };
    const bias = read('top/bias');
    const error = await expectError(
      fillModel({ family: 'tiny-net', weights: namedWeights(model), checkpoint: counted, tables: { torch: table() }, config: {} }),
      'weight-mismatch',
      'tiny-net could not be filled from "acme/net" (3 of 5 tensors)',
      /\n {2}stem\/kernel +expected \[2,2,3,4\] {2}received \[2,2,3,6\] from "features\.0\.weight"/,
      /\n {2}spread\/depthwise_kernel +missing "features\.1\.weight"/,
      /\n {2}"extra\.weight" +unexpected \[7\]/,
      /\n {2}Fix: the config describes another size/,
    );
    expect(reads).toBe(0);
    expect(read('top/bias')).toEqual(bias);
    expect(error.details['mismatches']).toHaveLength(3);
  });

  test('a tensor with other axes than the layout', async () => {
    await expectError(fill({ ...published(), 'fc.weight': countUp(40) }), 'weight-mismatch', /received \[40\] \(before linear\)/);
  });

  test('a renamed tensor is guessed', async () => {
    const { 'fc.bias': bias, ...tensors } = published();
    await expectError(fill({ ...tensors, 'fc.biass': bias! }), 'weight-mismatch', '"fc.biass" may be "fc.bias"');
  });

  test('only missing, and only unexpected', async () => {
    const { 'fc.bias': _, ...tensors } = published();
    await expectError(fill(tensors), 'weight-mismatch', 'incomplete');
    await expectError(
      fill({ ...published(), more: countUp(1) }),
      'weight-mismatch',
      'more than the config asks for',
      '"ignore" of the "torch" table',
    );
  });

  test('another family', async () => {
    const error = await expectError(
      fill({ 'bert.embeddings.weight': countUp(2), a: countUp(1), b: countUp(1), c: countUp(1), d: countUp(1), e: countUp(1) }),
      'weight-mismatch',
      'look like another family than tiny-net',
      'layouts torch',
      '6 tensors: "bert.embeddings.weight", "a", "b", "c", "d", ...',
    );
    expect(error.details['origin']).toBe('acme/net');
    await expectError(fill({}), 'weight-mismatch', 'received: 0 tensors\n');
  });

  test('many mismatches are counted, and hostile names are cut short', async () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`${'x'.repeat(1e5)}${index}`, countUp(1)]));
    const error = await expectError(fill({ ...published(), ...many }), 'weight-mismatch', '... and 30 more');
    expect(error.message.length).toBeLessThan(10_000);
  });
});

describe('a table that is wrong', () => {
  test('a row for a weight that does not exist', async () => {
    await expectError(
      fill(published(), { torch: table([...rows, ['top/gamma', 'fc.bias', 'copy']]) }),
      'weight-mismatch',
      /top\/gamma +is no weight of the network/,
      '"torch" weight table',
    );
  });
  test('a weight that no row fills', async () => {
    await expectError(
      fill(published(), { torch: table(rows.slice(0, 3)) }),
      'weight-mismatch',
      /top\/bias +is filled by no row/,
      /"fc.bias" +unexpected/,
    );
  });
  test('a weight that two rows fill', async () => {
    await expectError(
      fill(published(), { torch: table([...rows, ['top/bias', 'head.bias', 'copy']]) }),
      'weight-mismatch',
      /is filled 2 times, by "fc.bias" and "head.bias"/,
    );
  });
});
