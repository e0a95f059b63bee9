import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { addHead, classification, runtime } from 'transferkit';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { expectFailure, expectNoLeaks, runtimeCases, tinyBase, tinySamples } from 'transferkit/testing';
import type { BackendMemory } from '../../src/runtimes/runtime.js';
import { wasmMemory } from '../../src/runtimes/wasm-kernels/heap.js';
import type { WasmModule } from '../../src/runtimes/wasm-kernels/wasm-backend.js';

let memory: BackendMemory;
let module: WasmModule;

beforeAll(async () => {
  await runtime.chooseBackend('wasm');
  memory = runtime.memory!()!;
  module = (tf.backend() as unknown as { wasm: WasmModule }).wasm;
});

describe('the heap of the wasm backend', () => {
  test('is watched once, by its backend alone', async () => {
    expect(memory.limit).toBe(2 ** 32 - 2 ** 16);
    expect(wasmMemory()).toBe(memory);
    expect(runtime.memory!()).toBe(memory);
    await runtime.chooseBackend('cpu');
    expect(runtime.memory!()).toBeUndefined();
    await runtime.chooseBackend('wasm');
    expect(runtime.memory!()).toBe(memory);
  });

  test('says how far it was filled', () => {
    const { peak, last } = memory.watch(() => {
      tf.fill([1000], 1).dispose();
      const small = tf.fill([10], 1);
      tf.dispose([tf.fill([500], 1), small]);
    });
    expect(peak).toBe(4000);
    expect(last).toBe(2040);
    const kept = tf.fill([100], 1);
    expect(memory.watch(() => kept.dispose())).toEqual({ peak: 0, last: 0 });
  });

  test('passes the conformance case of runtimes', async () => {
    const found = runtimeCases(runtime).find(({ name }) => name.startsWith('watches the memory'))!;
    await expectNoLeaks(() => found.run());
  });

  test('refuses what it can never hold, and what it would take for a negative number, and goes on', async () => {
    await expectNoLeaks(() => expectFailure(() => tf.fill([2 ** 29], 1), 'out-of-memory', '2.00 GiB more are needed'));
    const error = await expectNoLeaks(() =>
      expectFailure(() => tf.fill([2 ** 31], 1), 'out-of-memory', '8.00 GiB more are needed', '4.00 GiB'),
    );
    expect(error.details).toMatchObject({ needed: 2 ** 33, limit: memory.limit });
    expect(tf.tidy(() => [...tf.add(tf.fill([2], 1), tf.fill([2], 2)).dataSync()])).toEqual([3, 3]);
  });

  test('refuses before anything is overwritten when it is full, and goes on', async () => {
    expect(memory.explain(new WebAssembly.RuntimeError('unreachable'))).toBeInstanceOf(WebAssembly.RuntimeError);
    const held = [1.9, 1.9].map((size) => module._malloc(size * 2 ** 30));
    const error = await expectFailure(
      () => tf.fill([2 ** 28], 1),
      'out-of-memory',
      '1.00 GiB more are needed',
      'batchSize',
      'dispose models',
    );
    expect(error.details['used']).toBeGreaterThan(3.7 * 2 ** 30);
    const explained = memory.explain(new WebAssembly.RuntimeError('memory access out of bounds'));
    await expectFailure(() => Promise.reject(explained as Error), 'out-of-memory', 'start the program again');
    expect(memory.explain(new Error('another'))).toMatchObject({ message: 'another' });

    const base = await tinyBase(mobilenetV2, runtime, 3, { engine: 'eager' });
    const model = addHead(base, classification(['even', 'odd']));
    const full = module._malloc(0.195 * 2 ** 30);
    const photo = (tinySamples(mobilenetV2).items[0] as unknown as { input: never }).input;
    const filler: tf.Tensor[] = [];
    try {
      for (;;) filler.push(tf.fill([2 ** 12], 1));
    } catch {
      // full to the last 16 KiB
    }
    const tensors = tf.memory().numTensors;
    await expectFailure(() => model.predict(photo), 'out-of-memory');
    expect(tf.memory().numTensors).toBe(tensors);
    tf.dispose(filler);
    module._free(full);
    held.forEach((address) => module._free(address));
    expect((await model.predict(photo)) as unknown).toHaveProperty('label');
    model.dispose();
  });
});
