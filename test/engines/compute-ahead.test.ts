import * as tf from '@tensorflow/tfjs-core';
import { layers, model as tfModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectFailure } from 'transferkit/testing';
import { eager } from '../../src/engines/eager.js';
import type { Engine, HostTensor } from '../../src/engines/engine.js';
import { createOnnxEngine } from '../../src/engines/onnx.js';
import { NetworkFunctions } from '../../src/inference/network-functions.js';
import { runExamples } from '../../src/inference/run-examples.js';
import { FrozenGraph } from '../../src/layers/frozen-graph.js';
import { runtime } from '../../src/runtimes/node.js';
import { loaded, withOnnxRuntime } from './with-onnx-runtime.js';

beforeAll(async () => void (await runtime.chooseBackend('wasm')));

const floats = (shape: readonly number[], ...values: number[]): HostTensor => ({
  type: 'float32',
  shape,
  values: Float32Array.from(values),
});
const apply = (layer: layers.Layer, inputs: SymbolicTensor | SymbolicTensor[]): SymbolicTensor => layer.apply(inputs) as SymbolicTensor;

/** Two inputs; one is doubled by a graph that something else runs, then both are added. */
function doubledSum(engine: Engine) {
  const [left, right] = [layers.input({ shape: [2], name: 'left' }), layers.input({ shape: [2], name: 'right' })];
  const batches: number[] = [];
  const graph = new FrozenGraph({ name: 'doubled', outputShape: [2] });
  graph.runBy(async ([{ shape, values }]: any) => {
    batches.push(shape[0]);
    return { type: 'float32', shape, values: (values as Float32Array).map((value) => 2 * value) };
  });
  const doubled = apply(graph, left);
  const sum = apply(layers.add(), [doubled, right]);
  const network = tfModel({ inputs: [left, right], outputs: sum });
  return { network, graph, doubled, sum, start: [left, right], batches, functions: new NetworkFunctions({ name: 'sum', engine }) };
}

const engines: [string, () => Engine][] = [
  ['eager', () => eager],
  ...('runtime' in loaded ? [['onnx', () => createOnnxEngine(loaded)] as [string, () => Engine]] : []),
];

describe.each(engines)('a layer that is run ahead, beside the engine %s', (_name, engine) => {
  test('is run once a batch, and the rest takes what it gave', async () => {
    const { functions, start, sum, doubled, batches } = doubledSum(engine());
    const inputs = [floats([2, 2], 1, 2, 3, 4), floats([2, 2], 10, 20, 30, 40)];
    const [result] = await functions.run({ start, wanted: [sum] }, inputs);
    expect([...result!.values]).toEqual([12, 24, 36, 48]);
    // Nothing is left to be compiled; an input that is wanted comes back as it is.
    const [twice, left] = await functions.run({ start, wanted: [doubled, start[0]!] }, inputs);
    expect([...twice!.values]).toEqual([2, 4, 6, 8]);
    expect([...left!.values]).toEqual([1, 2, 3, 4]);
    expect(batches).toEqual([2, 2]);
    functions.dispose();
  });

  test('is left out where what it gives is fed', async () => {
    const { functions, start, sum, doubled, batches } = doubledSum(engine());
    const [result] = await functions.run({ start: [doubled, start[1]!], wanted: [sum] }, [floats([1, 2], 1, 2), floats([1, 2], 5, 5)]);
    expect([...result!.values]).toEqual([6, 7]);
    expect(batches).toEqual([]);
    functions.dispose();
  });

  test('serves examples in batches of one shape, each row its own array', async () => {
    const { functions, start, sum, batches } = doubledSum(engine());
    const examples = Array.from({ length: 20 }, (_, index) => ({
      arrays: [index, 100].map((value) => ({ shape: [2], values: Float32Array.of(value, value) })),
    }));
    const rows = await runExamples(functions, { start, wanted: [sum] }, examples);
    expect(rows.map(([row]) => row!.values[0])).toEqual(examples.map((_, index) => 2 * index + 100));
    expect(batches).toEqual([16, 4]);
    functions.dispose();
  });
});

test('it must stand on what is fed', async () => {
  const input = layers.input({ shape: [2] });
  const dense = apply(layers.dense({ units: 2, name: 'in-front' }), input);
  const wanted = apply(new FrozenGraph({ name: 'behind', outputShape: [2] }), dense);
  const functions = new NetworkFunctions({ name: 'network', engine: eager });
  const run = () => functions.run({ start: [input], wanted: [wanted] }, [floats([1, 2], 1, 2)]);
  await expectFailure(run, 'bad-config', '"behind" is run before the rest of the network, and stands behind layer "in-front"');
  functions.dispose();
});

test('a graph without anything that runs it, or that gives another shape, says so', async () => {
  const { functions, graph, start, sum } = doubledSum(eager);
  const bare = new FrozenGraph({ name: 'bare', outputShape: [null, 2] });
  await expectFailure(() => bare.computeAhead([]), 'unsupported', '"bare" was built without the graph');
  const run = () => functions.run({ start, wanted: [sum] }, [floats([1, 2], 1, 2), floats([1, 2], 1, 2)]);
  graph.runBy(async () => floats([1, 3], 1, 2, 3));
  await expectFailure(run, 'bad-config', 'Expected: [batch, 2]\n  Received: [1, 3]');
  graph.runBy(async () => floats([1, 1, 2], 1, 2));
  await expectFailure(run, 'bad-config', 'Received: [1, 1, 2]');
  functions.dispose();
  await expectFailure(run, 'disposed', 'the network "sum"');
});

test('tfjs cannot run it', async () => {
  const { graph } = doubledSum(eager);
  await expectFailure(async () => graph.apply(tf.zeros([1, 2])), 'unsupported', 'can be run, and neither trained through nor recorded');
  expect(graph.getConfig()).toMatchObject({ name: 'doubled', outputShape: [2] });
});

withOnnxRuntime('a network with such a layer', () => {
  test('leaks nothing when it is disposed', async () => {
    const { functions, network, start, sum } = doubledSum(createOnnxEngine(loaded));
    const before = tf.memory().numTensors;
    await functions.run({ start, wanted: [sum] }, [floats([1, 2], 1, 2), floats([1, 2], 1, 2)]);
    functions.dispose();
    expect(tf.memory().numTensors).toBe(before);
    network.dispose();
  });
});
