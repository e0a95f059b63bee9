import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { chooseEngine } from '../../src/engines/choose-engine.js';
import type { LoadedOnnxRuntime, OnnxRuntime, OrtTensor } from '../../src/engines/onnx/onnx-runtime.js';
import { proveRuntime } from '../../src/engines/onnx/prove-runtime.js';
import { runtime } from '../../src/runtimes/node.js';
import type { BackendChoice } from '../../src/runtimes/runtime.js';
import { oneAtATime } from '../../src/runtimes/web/one-at-a-time.js';
import { expectFailure, expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { loaded, withOnnxRuntime } from './with-onnx-runtime.js';

type Create = OnnxRuntime['InferenceSession']['create'];
type Run = Awaited<ReturnType<Create>>['run'];

/** ONNX Runtime as it is, with something done around the making of its sessions. */
const around = (create: Create): OnnxRuntime => ({ ...parts(), InferenceSession: { create } });
const parts = (): Pick<OnnxRuntime, 'Tensor' | 'env'> => ({ Tensor: loaded.runtime.Tensor, env: loaded.runtime.env });
const make: Create = (...request) => loaded.runtime.InferenceSession.create(...request);

/** ONNX Runtime whose runs go through a function. */
const running = (change: (run: Run) => Run): OnnxRuntime =>
  around(async (...request) => {
    const session = await make(...request);
    const run: Run = (feeds, fetches) => session.run(feeds, fetches);
    return { inputNames: session.inputNames, outputNames: session.outputNames, run: change(run), release: () => session.release() };
  });

/** A processor's runtime that has to start first, and a card beside it that computes by another copy. */
const withCard = (card: OnnxRuntime): LoadedOnnxRuntime => ({
  ...loaded,
  runtime: running((run) => run),
  fix: 'put the files there',
  rivals: ['wasm'],
  graphics: () => Promise.resolve({ runtime: card, name: 'a card', session: {} }),
});

/** A card that gets its second run, which is the card's own, wrong. */
const wrongCard = (distort: (value: number, index: number) => number): OnnxRuntime => {
  let runs = 0;
  return running((run) => async (feeds, fetches) => {
    const results = await run(feeds, fetches);
    if (runs++ === 0) return results;
    return Object.fromEntries(
      Object.entries(results).map(([name, { type, dims, data }]): [string, OrtTensor] => [
        name,
        new loaded.runtime.Tensor(type as 'float32', (data as Float32Array).map(distort), dims),
      ]),
    );
  });
};

withOnnxRuntime('ONNX Runtime', () => {
  test('needs no proof where it is native', async () => {
    expect(await proveRuntime(loaded)).toEqual({ processor: loaded, graphics: undefined, words: '' });
  });

  test('runs what has no state on a card that computes the right numbers, and leaves no tensors', async () => {
    await runtime.chooseBackend('wasm');
    const card = withCard(running((run) => run));
    const proved = await expectNoLeaks(() => proveRuntime(card, 'wasm'));
    expect(proved).toMatchObject({ processor: card, graphics: { name: 'a card' }, words: 'what does not learn by a card' });
  });

  test.each([
    [
      'a number is wrong',
      (value: number, index: number) => (index === 3 ? value * 1.01 + 0.01 : value),
      /^not on WebGPU: a test came out wrong by 0\.0/,
    ],
    [
      'a number is none',
      (value: number, index: number) => (index === 5 ? Number.NaN : value),
      /^not on WebGPU: a test came out wrong by NaN/,
    ],
  ] as const)('leaves a card alone where %s', async (_, distort, words) => {
    const proved = await proveRuntime(withCard(wrongCard(distort)));
    expect(proved).toMatchObject({ graphics: undefined, words: expect.stringMatching(words) as string });
  });

  test('leaves a card alone that fails, and says with which words', async () => {
    const failing = around((_model, options) =>
      options?.executionProviders === undefined ? Promise.reject(new Error('the device was lost\nat x')) : make(_model),
    );
    expect(await proveRuntime(withCard(failing))).toMatchObject({
      graphics: undefined,
      words: 'not on WebGPU: ONNX Runtime does not take the graph: the device was lost',
    });
  });

  test('is not taken unasked beside a backend that is as fast, unless there is a card', async () => {
    const none = { ...withCard(loaded.runtime), graphics: () => Promise.resolve({ missing: 'there is none' }) };
    expect(await proveRuntime(none, 'wasm')).toEqual({
      missing: `${loaded.name} is no faster on a processor; not on WebGPU: there is none`,
    });
    expect(await proveRuntime(none, 'cpu')).toMatchObject({ processor: none });
  });

  test('that does not start is told, and is an error for who asked for it', async () => {
    const broken: LoadedOnnxRuntime = {
      ...loaded,
      runtime: around(() => Promise.reject(new Error('no such file\nat x'))),
      fix: 'put the files there',
    };
    const place = { ...runtime, loadOnnxRuntime: () => Promise.resolve(broken) };
    const backend: BackendChoice = { backend: 'cpu', hardware: 'processor', trials: [] };
    const { engine, reason } = await chooseEngine(place, backend);
    expect(engine.name).toBe('eager');
    expect(reason).toBe(
      `tfjs (cpu): ${loaded.name} does not start: ONNX Runtime does not take the graph: no such file (put the files there)`,
    );
    await expectFailure(() => chooseEngine(place, backend, { engine: 'onnx' }), 'missing-package', 'does not start', 'put the files there');
  });

  test('starts once for all bases of a program', async () => {
    let made = 0;
    const counted: LoadedOnnxRuntime = { ...loaded, runtime: around((...request) => (made++, make(...request))), fix: 'x' };
    await Promise.all([proveRuntime(counted), proveRuntime(counted)]);
    expect(made).toBe(1);
  });

  test('computes the same where tensors that are given as outputs are left alone', async () => {
    const { createOnnxEngine } = await import('../../src/engines/onnx.js');
    const leaving = running(
      (run) => async (feeds, fetches) => run(feeds, Object.fromEntries(Object.keys(fetches).map((name) => [name, null]))),
    );
    const variable = tf.variable(tf.tensor1d([1, 2]));
    const engine = createOnnxEngine({ ...loaded, runtime: leaving, ignoresOutputs: true });
    const compiled = engine.compile({
      name: 'counter',
      inputs: [{ name: 'x', type: 'float32', shape: [2] }],
      outputs: ['sum'],
      compute: ([x]) => {
        variable.assign(tf.add(variable, x!));
        return [tf.sum(variable)];
      },
      constants: () => [],
      state: [{ name: 'counter', variable }],
    });
    const inputs = [{ type: 'float32', shape: [2], values: Float32Array.of(1, 10) }] as const;
    const sums = [await compiled.run(inputs), await compiled.run(inputs), await compiled.run(inputs)].map(([sum]) => sum!.values[0]);
    expect(sums).toEqual([14, 25, 36]);
    engine.settle([variable]);
    expect([...variable.dataSync()]).toEqual([4, 32]);
    compiled.dispose();
    variable.dispose();
  });
});

withOnnxRuntime('sessions on a graphics card', () => {
  test('wait for each other, also after one has failed', async () => {
    let now = 0;
    let most = 0;
    const alone = async <T>(work: () => Promise<T>): Promise<T> => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 2));
      return work().finally(() => now--);
    };
    const slow = around((...request) =>
      alone(async () => {
        const session = await make(...request);
        return {
          inputNames: session.inputNames,
          outputNames: session.outputNames,
          run: (feeds, fetches) => alone(() => session.run(feeds, fetches)),
          release: () => alone(() => session.release()),
        };
      }),
    );
    const queued = oneAtATime(slow);
    const failed = queued.InferenceSession.create(new Uint8Array(3));
    const proofs = [0, 1, 2].map(() => proveRuntime({ ...loaded, runtime: { ...queued }, fix: 'x' }));
    await expect(failed).rejects.toThrow();
    expect(await Promise.all(proofs)).toMatchObject([{ words: '' }, { words: '' }, { words: '' }]);
    expect(most).toBe(1);
  });
});
