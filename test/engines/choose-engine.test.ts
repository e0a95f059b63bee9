import { availableParallelism } from 'node:os';
import { describe, expect, it, test } from 'vitest';
import { fineTune, loadModel, loadPretrained, untrainedBase } from 'transferkit';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { expectFailure, tinyBase, tinyModel, tinySamples } from 'transferkit/testing';
import { chooseEngine } from '../../src/engines/choose-engine.js';
import type { PackageImporter } from '../../src/runtimes/node/backend-recipes.js';
import { createNodeOnnxLoader } from '../../src/runtimes/node/onnx-runtime.js';
import { runtime } from '../../src/runtimes/node.js';
import type { BackendChoice, Runtime } from '../../src/runtimes/runtime.js';
import { loaded, withOnnxRuntime } from './with-onnx-runtime.js';

const onProcessor: BackendChoice = { backend: 'wasm', hardware: 'processor', trials: [] };
const onGraphics: BackendChoice = { backend: 'webgpu', hardware: 'graphics', trials: [] };

const notInstalled: PackageImporter = (name) =>
  Promise.reject(
    Object.assign(new Error(`Cannot find package '${name}' imported from here\nRequire stack`), { code: 'ERR_MODULE_NOT_FOUND' }),
  );
const broken: PackageImporter = () => Promise.reject(new Error("Cannot find module '../bin/linux/binding.node'\nRequire stack:\n- x"));

/** Node with other packages, and an environment of its own. */
function nodeWith(importer: PackageImporter | undefined, environment: Readonly<Record<string, string>> = {}): Runtime {
  const loader = importer === undefined ? undefined : createNodeOnnxLoader(importer);
  return {
    ...runtime,
    environment: (name) => environment[name],
    loadOnnxRuntime: (request) => (loader === undefined ? runtime.loadOnnxRuntime!(request) : loader.load(request)),
  };
}

describe('without the package', () => {
  test('tfjs computes, and one line says what is to be gained', async () => {
    const { engine, reason, notes, threads } = await chooseEngine(nodeWith(notInstalled), onProcessor);
    expect([engine.name, notes, threads]).toEqual(['eager', [], undefined]);
    expect(reason).toBe(
      'tfjs (wasm): onnxruntime-node not installed (npm install onnxruntime-node: networks then run several times as fast)',
    );
  });

  test('one that does not load is told by its first line', async () => {
    const { engine, reason } = await chooseEngine(nodeWith(broken), onProcessor);
    expect(engine.name).toBe('eager');
    expect(reason).toContain("onnxruntime-node is installed and does not load: Cannot find module '../bin/linux/binding.node' (with it");
  });

  test('another module in its place is told', async () => {
    const { reason } = await chooseEngine(
      nodeWith(() => Promise.resolve({ InferenceSession: {} })),
      onProcessor,
    );
    expect(reason).toContain('onnxruntime-node is installed and is not what it should be');
  });

  test('a runtime that has none is told', async () => {
    const { loadOnnxRuntime: _, ...bare } = nodeWith(undefined);
    expect((await chooseEngine(bare, onProcessor)).reason).toContain('the runtime "node" does not offer it');
  });

  test('who asked for it gets an error with the way out', async () => {
    const ask = () => chooseEngine(nodeWith(notInstalled), onProcessor, { engine: 'onnx' });
    await expectFailure(ask, 'missing-package', 'the engine "onnx" was asked for', 'npm install onnxruntime-node', 'leave out the option');
    const options = { ...mobilenetV2.tiny, runtime: nodeWith(notInstalled), engine: 'onnx' } as const;
    await expectFailure(() => untrainedBase(mobilenetV2, options), 'missing-package', 'onnxruntime-node');
  });

  test('a base works, and says so', async () => {
    using base = await tinyBase(mobilenetV2 as never, nodeWith(notInstalled));
    expect(base.engine.name).toBe('eager');
    expect(base.describe().split('\n').at(-1)).toContain('computed by tfjs (wasm): onnxruntime-node not installed (npm install');
    expect((await base.embed(tinySamples(mobilenetV2 as never).items[0]!.input)).shape).toHaveLength(1);
  });

  test('it is looked for once', async () => {
    let asked = 0;
    const node = nodeWith((name) => (asked++, notInstalled(name)));
    await chooseEngine(node, onProcessor);
    await chooseEngine(node, onProcessor);
    expect(asked).toBe(1);
  });

  test('the description of the runtime names it once it was looked for', async () => {
    const loader = createNodeOnnxLoader(notInstalled);
    expect(loader.describe()).toBeUndefined();
    await loader.load();
    expect(loader.describe()).toContain('onnxruntime-node not installed');
  });
});

withOnnxRuntime('with the package', () => {
  test('it is taken where tfjs would compute on the processor', async () => {
    const { engine, reason, threads } = await chooseEngine(nodeWith(undefined), onProcessor);
    expect(engine.name).toBe('onnx');
    expect(threads).toBe(availableParallelism());
    expect(reason).toMatch(/^onnxruntime-node [\d.]+, \d+ threads?$/);
    expect(runtime.describe()).toMatch(/; onnxruntime-node [\d.]+$/);
  });

  test('a graphics card is left to tfjs, unless it is asked for', async () => {
    const { engine, reason } = await chooseEngine(nodeWith(undefined), onGraphics);
    expect([engine.name, reason]).toEqual(['eager', 'tfjs (webgpu): it does not compute on the processor']);
    expect((await chooseEngine(nodeWith(undefined), onGraphics, { engine: 'onnx' })).engine.name).toBe('onnx');
  });

  test('threads are those that are asked for', async () => {
    const { threads, reason } = await chooseEngine(nodeWith(undefined), onProcessor, { threads: 1 });
    expect(threads).toBe(1);
    expect(reason).toMatch(/, 1 thread$/);
  });

  test('the copy of the caller is used, also where none is installed', async () => {
    const node = nodeWith(notInstalled);
    let sessions = 0;
    const { InferenceSession: session, Tensor, env } = loaded.runtime;
    const create: typeof session.create = (...request) => (sessions++, session.create(...request));
    const own = { Tensor, env, InferenceSession: { create } };
    using base = await tinyBase(mobilenetV2 as never, node, 3, { onnxRuntime: own });
    expect(base.engine.name).toBe('onnx');
    const { items } = tinySamples(mobilenetV2 as never);
    using other = await tinyBase(mobilenetV2 as never, nodeWith(undefined));
    expect(await base.embed(items[0]!.input)).toEqual(await other.embed(items[0]!.input));
    expect(sessions).toBe(1);
  });
});

describe('what was asked for', () => {
  it('is eager by option or by environment', async () => {
    expect((await chooseEngine(nodeWith(undefined), onProcessor, { engine: 'eager' })).reason).toBe('tfjs (wasm): as was asked for');
    expect((await chooseEngine(nodeWith(undefined, { TRANSFERKIT_ENGINE: 'eager' }), onProcessor)).engine.name).toBe('eager');
    expect((await chooseEngine(nodeWith(notInstalled, { TRANSFERKIT_ENGINE: '' }), onProcessor)).engine.name).toBe('eager');
  });

  it('is the option before the environment', async () => {
    const node = nodeWith(notInstalled, { TRANSFERKIT_ENGINE: 'onnx' });
    await expectFailure(() => chooseEngine(node, onProcessor), 'missing-package', 'onnx');
    expect((await chooseEngine(node, onProcessor, { engine: 'auto' })).engine.name).toBe('eager');
  });

  it('must be known', async () => {
    await expectFailure(
      () => chooseEngine(nodeWith(undefined), onProcessor, { engine: 'onxn' as never }),
      'unknown-name',
      'no engine "onxn". Did you mean "onnx"?',
    );
    await expectFailure(
      () => chooseEngine(nodeWith(undefined, { TRANSFERKIT_ENGINE: 'fast' }), onProcessor),
      'unknown-name',
      'auto, eager, onnx',
    );
  });

  it.each([0, 1.5, -1, 5000, '2', Number.NaN])('has a number of threads that can be: not %s', async (threads) => {
    await expectFailure(
      () => chooseEngine(nodeWith(undefined), onProcessor, { threads: threads as number }),
      'bad-option',
      'threads must be a whole number from 1 to 1024',
      `Received: ${threads}`,
    );
  });

  it('says nothing that the engine does not heed', async () => {
    const ask = (options: object) => () => chooseEngine(nodeWith(undefined), onProcessor, { engine: 'eager', ...options });
    await expectFailure(ask({ threads: 2 }), 'bad-option', 'the engine "eager" has no threads');
    await expectFailure(ask({ onnxRuntime: {} }), 'bad-option', 'the engine "eager" has no onnxRuntime');
  });

  it('is ONNX Runtime and not something else', async () => {
    await expectFailure(
      () => chooseEngine(nodeWith(undefined), onProcessor, { onnxRuntime: { run: 1 } }),
      'bad-option',
      'the option onnxRuntime is not ONNX Runtime',
      "Received: an object with run\n  Fix: { onnxRuntime: await import('onnxruntime-node') }",
    );
  });
});

describe('the option reaches', () => {
  it('loadPretrained, loadModel and the one-call fineTune', async () => {
    const node = nodeWith(notInstalled);
    const options = { runtime: node, engine: 'onnx', offline: true } as const;
    await expectFailure(() => loadPretrained('mobilenet-v2', options), 'missing-package', 'onnxruntime-node');
    await expectFailure(() => loadModel('nowhere', options), 'missing-package', 'onnxruntime-node');
    await expectFailure(() => fineTune('mobilenet-v2', 'nowhere', options), 'missing-package', 'onnxruntime-node');
  });

  it('a model that has its base already, and is refused there', async () => {
    using model = await tinyModel(mobilenetV2 as never, nodeWith(notInstalled));
    const { base } = model;
    await expectFailure(() => loadModel('nowhere', { base, engine: 'eager' }), 'bad-option', 'the base is loaded already', 'engine');
    await expectFailure(() => loadModel('nowhere', { base, threads: 1 }), 'bad-option', 'threads');
    await expectFailure(
      () => fineTune(model, tinySamples(mobilenetV2 as never) as never, { engine: 'eager' } as never),
      'unknown-name',
      'engine',
    );
  });
});
