import * as tf from '@tensorflow/tfjs-core';
import { layers, model as tfModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';
import { expectFailure, expectNoLeaks } from 'transferkit/testing';
import { eager } from '../../src/engines/eager.js';
import type { Engine, HostTensor } from '../../src/engines/engine.js';
import { createOnnxEngine } from '../../src/engines/onnx.js';
import type { LoadedOnnxRuntime } from '../../src/engines/onnx/onnx-runtime.js';
import { NetworkFunctions } from '../../src/inference/network-functions.js';
import { runExamples } from '../../src/inference/run-examples.js';
import { disposeModel } from '../../src/layers/dispose-model.js';
import { createRandom } from '../../src/common/random.js';
import { runtime } from '../../src/runtimes/node.js';
import { loaded, withOnnxRuntime } from './with-onnx-runtime.js';

beforeAll(async () => void (await runtime.chooseBackend('wasm')));

const random = createRandom(4);
const numbers = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.next() * 2 - 1);
const batch = (shape: readonly number[]): HostTensor => ({ type: 'float32', shape, values: numbers(tf.util.sizeFromShape([...shape])) });
const valuesOf = async (result: Promise<HostTensor[]>): Promise<number[]> => Array.from((await result)[0]!.values);
const closeTo = (values: readonly number[]): unknown => values.map((value) => expect.closeTo(value, 5) as unknown);

/** ONNX Runtime with the sessions counted: those that were made, and those that are open. */
function counted(): { loaded: LoadedOnnxRuntime; made: () => number; open: () => number } {
  let [made, open] = [0, 0];
  const { InferenceSession: session, ...rest } = loaded.runtime;
  const create: typeof session.create = async (...request) => {
    const real = await session.create(...request);
    made++;
    open++;
    return new Proxy(real, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name !== 'release') return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
        return async () => {
          open--;
          await target.release();
        };
      },
    });
  };
  const copy = { Tensor: rest.Tensor, env: rest.env, InferenceSession: { create } };
  return { loaded: { ...loaded, runtime: copy }, made: () => made, open: () => open };
}

/** [batch, length, 4] -> dense -> [batch, length, 3]. */
function denseNetwork(length: number | null = 5) {
  const input = layers.input({ shape: [length, 4] });
  const output = layers.dense({ units: 3, activation: 'tanh' }).apply(input) as SymbolicTensor;
  const network = tfModel({ inputs: input, outputs: output });
  return { network, part: { start: [input], wanted: [output] } };
}

const networkOf = (engine: Engine, freeSize?: string) => new NetworkFunctions({ name: 'network', engine, freeSize });

withOnnxRuntime('compiled parts of a network', () => {
  test('are compiled once for all batches, and give what tfjs gives', async () => {
    const { loaded: runtimeOf, made } = counted();
    const { network, part } = denseNetwork();
    const compiled = networkOf(createOnnxEngine(runtimeOf));
    for (const count of [1, 2, 16, 3]) {
      const input = batch([count, 5, 4]);
      expect(await valuesOf(compiled.run(part, [input]))).toEqual(closeTo(await valuesOf(networkOf(eager).run(part, [input]))));
    }
    expect(made()).toBe(1);
    compiled.dispose();
    disposeModel(network);
  });

  test('are compiled once for all lengths where the length is free, else for each', async () => {
    for (const [freeSize, sessions] of [
      ['tokens', 1],
      [undefined, 3],
    ] as const) {
      const { loaded: runtimeOf, made, open } = counted();
      const { network, part } = denseNetwork(null);
      const compiled = networkOf(createOnnxEngine(runtimeOf), freeSize);
      for (const length of [1, 7, 30, 7]) {
        const [result] = await compiled.run(part, [batch([2, length, 4])]);
        expect(result!.shape).toEqual([2, length, 3]);
      }
      expect([made(), open()]).toEqual([sessions, sessions]);
      compiled.dispose();
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(open()).toBe(0);
      disposeModel(network);
    }
  });

  test('are few: those used least lately are let go', async () => {
    const { loaded: runtimeOf, made, open } = counted();
    const { network, part } = denseNetwork(null);
    const compiled = networkOf(createOnnxEngine(runtimeOf));
    for (let length = 1; length <= 12; length++) {
      await compiled.run(part, [batch([1, length, 4])]);
      await compiled.run(part, [batch([1, 1, 4])]); // stays, for it is used again and again
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([made(), open()]).toEqual([12, 8]);
    compiled.dispose();
    disposeModel(network);
  });

  test('follow weights that are written to, and let the old session go', async () => {
    const { loaded: runtimeOf, made, open } = counted();
    const { network, part } = denseNetwork();
    const compiled = networkOf(createOnnxEngine(runtimeOf));
    const input = batch([2, 5, 4]);
    const before = await valuesOf(compiled.run(part, [input]));
    const old = network.layers[1]!.getWeights();
    network.layers[1]!.setWeights(old.map((weight) => tf.tidy(() => tf.mul(weight, -1))));
    const after = await valuesOf(compiled.run(part, [input]));
    expect(after).not.toEqual(before);
    expect(after).toEqual(closeTo(await valuesOf(networkOf(eager).run(part, [input]))));
    expect([made(), open()]).toEqual([2, 1]);
    compiled.dispose();
    disposeModel(network);
  });

  test('may be run at once, disposed meanwhile, and leave nothing', async () => {
    const { loaded: runtimeOf, made, open } = counted();
    await expectNoLeaks(async () => {
      const { network, part } = denseNetwork();
      const compiled = networkOf(createOnnxEngine(runtimeOf));
      const input = batch([3, 5, 4]);
      const expected = await valuesOf(networkOf(eager).run(part, [input]));
      const running = Array.from({ length: 5 }, () => valuesOf(compiled.run(part, [input])));
      const results = Promise.all(running);
      await running[0];
      compiled.dispose();
      compiled.dispose();
      for (const values of await results) expect(values).toEqual(closeTo(expected));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect([made(), open()]).toEqual([1, 0]);
      await expectFailure(() => compiled.run(part, [input]), 'disposed', 'the network "network" was disposed while it was used');
      disposeModel(network);
    });
  });

  test('go over to tfjs where a graph cannot hold them, told once and by name', async () => {
    class Looking extends layers.Layer {
      static className = 'Looking';
      override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
        const x = Array.isArray(inputs) ? inputs[0]! : inputs;
        return tf.mul(x, x.dataSync()[0]!);
      }
    }
    const input = layers.input({ shape: [4] });
    const output = new Looking({}).apply(input) as SymbolicTensor;
    const network = tfModel({ inputs: input, outputs: output });
    const notes: string[] = [];
    const { loaded: runtimeOf, made } = counted();
    const compiled = networkOf(createOnnxEngine(runtimeOf, (note) => notes.push(note)));
    const values = Float32Array.of(2, 3, 4, 5);
    for (let run = 0; run < 3; run++) {
      const result = await compiled.run({ start: [input], wanted: [output] }, [{ type: 'float32', shape: [1, 4], values }]);
      expect(Array.from(result[0]!.values)).toEqual([4, 6, 8, 10]);
    }
    expect(notes).toEqual([expect.stringMatching(/^"network" is computed by tfjs: a function that looks at the numbers/)]);
    expect(made()).toBe(0);
    compiled.dispose();
    disposeModel(network);
  });

  test('go over to tfjs where ONNX Runtime refuses the graph', async () => {
    const { network, part } = denseNetwork();
    const notes: string[] = [];
    const create = () => Promise.reject(new Error('no operator Gemm here\n  in line 3'));
    const refusing = { ...loaded, runtime: { ...loaded.runtime, InferenceSession: { create } } };
    const compiled = networkOf(createOnnxEngine(refusing, (note) => notes.push(note)));
    const input = batch([2, 5, 4]);
    expect(await valuesOf(compiled.run(part, [input]))).toEqual(await valuesOf(networkOf(eager).run(part, [input])));
    expect(notes).toEqual(['"network" is computed by tfjs: ONNX Runtime does not take the graph: no operator Gemm here']);
    compiled.dispose();
    disposeModel(network);
  });

  test('give each example what it gives alone, whatever it is computed with', async () => {
    const { network, part } = denseNetwork(null);
    const compiled = networkOf(createOnnxEngine(loaded), 'tokens');
    const examples = Array.from({ length: 40 }, (_, index) => ({
      arrays: [{ shape: [1 + (index % 3), 4], values: numbers(4 * (1 + (index % 3))) }],
    }));
    const together = await runExamples(compiled, part, examples);
    for (const [index, example] of examples.entries()) {
      const [alone] = await runExamples(compiled, part, [example]);
      expect(together[index]![0]!.shape).toEqual([1 + (index % 3), 3]);
      expect(together[index]).toEqual(alone);
    }
    compiled.dispose();
    disposeModel(network);
  });
});

test('truths come out as whole numbers', async () => {
  await runtime.chooseBackend('wasm');
  class Positive extends layers.Layer {
    static className = 'Positive';
    override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
      return tf.greater(Array.isArray(inputs) ? inputs[0]! : inputs, 0);
    }
  }
  const input = layers.input({ shape: [3] });
  const output = new Positive({}).apply(input) as SymbolicTensor;
  const network = tfModel({ inputs: input, outputs: output });
  const rows = await runExamples(networkOf(eager), { start: [input], wanted: [output] }, [
    { arrays: [{ shape: [3], values: Float32Array.of(-1, 2, 0) }] },
  ]);
  expect(rows).toEqual([[{ shape: [3], values: Int32Array.of(0, 1, 0) }]]);
  disposeModel(network);
});
