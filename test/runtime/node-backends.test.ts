import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { importPackage, type NodeBackendRecipe, type PackageImporter } from '../../src/runtimes/node/backend-recipes.js';
import { createBackends } from '../../src/runtimes/node/backends.js';
import { probeBackend } from '../../src/runtimes/probe-backend.js';
import { runtime } from '../../src/runtimes/node.js';
import { expectError } from '../data/expect-error.js';

const { resolve } = createRequire(import.meta.url);
function isInstalled(name: string): boolean {
  try {
    return resolve(name) !== '';
  } catch {
    return false;
  }
}

const notInstalled = (name: string): Error =>
  Object.assign(new Error(`Cannot find package '${name}' imported from here`), { code: 'ERR_MODULE_NOT_FOUND' });

/** An importer that has only these packages (or finds them broken), and the real ones that are named `true`. */
const only =
  (packages: Readonly<Record<string, unknown>>): PackageImporter =>
  (name) => {
    const found = packages[name];
    if (found === true) return importPackage(name);
    if (found === undefined) return Promise.reject(notInstalled(name));
    return found instanceof Error
      ? Promise.reject(found)
      : Promise.resolve(typeof found === 'function' ? (found as () => unknown)() : found);
  };

const wasmPackage = '@tensorflow/tfjs-backend-wasm';
const cpuPackage = '@tensorflow/tfjs-backend-cpu';
const quietEnvironment = { environment: (): undefined => undefined };
const node = `Node ${process.versions.node}`;

/** The cpu backend under another name, without the advertisement that it prints when it is first used. */
function registerQuietCpu(name: string): void {
  const create = tf.findBackendFactory('cpu') as () => tf.KernelBackend;
  tf.registerBackend(name, () => Object.assign(create(), { firstUse: false }), 0);
}

/** Lets `tensorflow` be the cpu backend under another name, as a stand-in for tfjs-node. */
async function registerStandIn(): Promise<void> {
  await importPackage(cpuPackage);
  registerQuietCpu('tensorflow');
  tf.copyRegisteredKernels('cpu', 'tensorflow');
}
function removeStandIn(): void {
  if ((tf.findBackendFactory('tensorflow') as unknown) === null) return;
  tf.removeBackend('tensorflow');
  for (const { kernelName } of tf.getKernelsForBackend('tensorflow')) tf.unregisterKernel(kernelName, 'tensorflow');
}
afterEach(removeStandIn);

describe('the order', () => {
  it('is tfjs-node, wasm, cpu, and each that is passed over says why', async () => {
    const wasm = createBackends({ importPackage: only({ [wasmPackage]: true }), ...quietEnvironment });
    expect(wasm.describe()).toBe(`no backend chosen yet on ${node}`);
    const choice = await wasm.chooseBackend();
    expect(choice).toEqual({
      backend: 'wasm',
      hardware: 'processor',
      trials: [
        { name: 'tensorflow', chosen: false, reason: 'tfjs-node not installed' },
        { name: 'wasm', chosen: true, reason: 'wasm (SIMD)' },
      ],
    });
    expect(tf.getBackend()).toBe('wasm');
    expect(wasm.describe()).toBe(`wasm (SIMD) on ${node}; tfjs-node not installed`);

    const cpu = createBackends({
      importPackage: only({ [cpuPackage]: true, [wasmPackage]: new Error('broken file\nwith a stack') }),
      ...quietEnvironment,
    });
    expect((await cpu.chooseBackend()).backend).toBe('cpu');
    expect(cpu.describe()).toBe(
      `cpu (plain JavaScript, slow) on ${node}; tfjs-node not installed; tfjs-backend-wasm is installed and does not load: broken file`,
    );
  });

  it('takes tfjs-node where it is installed and works', async () => {
    const module = async () => (await registerStandIn(), { Tensor: tf.Tensor, version: { 'tfjs-node': '4.22.0' } });
    const backends = createBackends({ importPackage: only({ '@tensorflow/tfjs-node': module }), ...quietEnvironment });
    expect((await backends.chooseBackend()).backend).toBe('tensorflow');
    expect(backends.describe()).toBe(`tensorflow (tfjs-node 4.22.0) on ${node}`);
  });

  it('passes over a tfjs-node that brings its own tfjs-core', async () => {
    const copy = async () => (await registerStandIn(), { default: { Tensor: 'of another copy', version: { 'tfjs-core': '4.1.0' } } });
    const packages = { [cpuPackage]: true };
    const other = createBackends({ importPackage: only({ ...packages, '@tensorflow/tfjs-node': copy }), ...quietEnvironment });
    expect((await other.chooseBackend()).trials[0]!.reason).toContain(
      `another copy of tfjs-core (ours is ${tf.version_core}, its copy 4.1.0)`,
    );
    removeStandIn();
    const invisible = createBackends({ importPackage: only({ ...packages, '@tensorflow/tfjs-node': {} }), ...quietEnvironment });
    expect((await invisible.chooseBackend()).trials[0]!.reason).toContain('registered its backend in another copy');
  });

  it('passes over a backend that computes a wrong gradient or none', async () => {
    const module = async () => {
      await registerStandIn();
      tf.unregisterKernel('Conv2DBackpropFilter', 'tensorflow');
      return {};
    };
    const none = createBackends({ importPackage: only({ [cpuPackage]: true, '@tensorflow/tfjs-node': module }), ...quietEnvironment });
    const choice = await none.chooseBackend();
    expect(choice.backend).toBe('cpu');
    expect(choice.trials[0]!.reason).toContain('Conv2DBackpropFilter');
    removeStandIn();

    const wrong = async () => {
      await registerStandIn();
      tf.unregisterKernel('Conv2DBackpropFilter', 'tensorflow');
      const kernelFunc: tf.KernelFunc = () => tf.engine().runKernel('Fill', {}, { shape: [2, 2, 1, 1], value: 3, dtype: 'float32' });
      tf.registerKernel({ kernelName: 'Conv2DBackpropFilter', backendName: 'tensorflow', kernelFunc });
      return {};
    };
    const liar = createBackends({ importPackage: only({ [cpuPackage]: true, '@tensorflow/tfjs-node': wrong }), ...quietEnvironment });
    expect((await liar.chooseBackend()).trials[0]!.reason).toBe('a test gradient came out wrong (kernel: expected 560, received 3)');
  });

  it('ends in an error that lists all reasons when nothing works', async () => {
    const backends = createBackends({ importPackage: only({}), ...quietEnvironment });
    await expectError(
      () => backends.chooseBackend(),
      'unsupported',
      'no backend works',
      'tensorflow: tfjs-node not installed',
      'cpu: tfjs-backend-cpu not installed',
      'npm install',
    );
  });
});

describe('asking for one', () => {
  it('by argument or by TRANSFERKIT_BACKEND gives it, and later calls keep it', async () => {
    const importer = vi.fn(importPackage);
    const backends = createBackends({
      importPackage: importer,
      environment: (name) => (name === 'TRANSFERKIT_BACKEND' ? 'cpu' : undefined),
    });
    const [first, second] = await Promise.all([backends.chooseBackend(), backends.chooseBackend()]);
    expect(first.backend).toBe('cpu');
    expect(second).toBe(first);
    expect((await backends.chooseBackend('wasm')).backend).toBe('wasm');
    expect((await backends.chooseBackend()).backend).toBe('wasm');
    expect(importer).toHaveBeenCalledTimes(2);
    expect(tf.getBackend()).toBe('wasm');
  });

  it('that does not exist lists those that do', async () => {
    const backends = createBackends(quietEnvironment);
    await expectError(
      () => backends.chooseBackend('wsam'),
      'unknown-name',
      'no backend "wsam"',
      'Did you mean "wasm"',
      'tensorflow, tfjs-node, wasm, cpu, webgpu',
    );
    const misspelt = createBackends({ environment: () => 'gpu' });
    await expectError(() => misspelt.chooseBackend(), 'unknown-name', 'no backend "gpu"');
  });

  it('that is not installed names the line that installs it', async () => {
    const backends = createBackends({ importPackage: only({}), ...quietEnvironment });
    await expectError(() => backends.chooseBackend('tfjs-node'), 'missing-package', 'Fix: npm install @tensorflow/tfjs-node');
    await expectError(() => backends.chooseBackend('wasm'), 'missing-package', 'Fix: npm install @tensorflow/tfjs-backend-wasm');
    await expectError(() => backends.chooseBackend('webgpu'), 'missing-package', 'Fix: npm install webgpu @tensorflow/tfjs-backend-webgpu');
  });

  it('that does not work is an error, and the one before it stays', async () => {
    const backends = createBackends({
      importPackage: only({ [cpuPackage]: true, '@tensorflow/tfjs-node': new Error('no such symbol') }),
      ...quietEnvironment,
    });
    await backends.chooseBackend('cpu');
    await expectError(() => backends.chooseBackend('tensorflow'), 'unsupported', 'does not work here', 'no such symbol', 'Fix');
    expect(tf.getBackend()).toBe('cpu');
    expect((await backends.chooseBackend()).backend).toBe('cpu');
  });

  it('that tfjs cannot start tells what tfjs said, and prints nothing', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const broken: NodeBackendRecipe = {
      name: 'broken',
      aliases: [],
      hardware: 'processor' as const,
      prepare: () => {
        tf.registerBackend('broken', () => Promise.reject(new Error('no device')), 0);
        return Promise.resolve('broken');
      },
    };
    await expectError(
      () => createBackends({ recipes: [broken], ...quietEnvironment }).chooseBackend('broken'),
      'unsupported',
      'could not start it',
      'no device',
    );
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
    tf.removeBackend('broken');
  });
});

describe('webgpu', () => {
  it('is given navigator.gpu from the package webgpu before its tfjs backend is loaded', async () => {
    const seen: unknown[] = [];
    const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
    const gpu = { kind: 'Dawn' };
    const dawn = { create: () => gpu, globals: { GPUTestUsage: { MAP: 1 } } };
    const backend = async () => {
      seen.push((globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu, (globalThis as { GPUTestUsage?: unknown }).GPUTestUsage);
      await importPackage(cpuPackage);
      registerQuietCpu('webgpu');
      tf.copyRegisteredKernels('cpu', 'webgpu');
      return {};
    };
    const backends = createBackends({
      importPackage: only({ webgpu: dawn, '@tensorflow/tfjs-backend-webgpu': backend }),
      ...quietEnvironment,
    });
    expect((await backends.chooseBackend('webgpu')).backend).toBe('webgpu');
    expect(seen).toEqual([gpu, { MAP: 1 }]);
    expect(backends.describe()).toBe(`webgpu (Dawn) on ${node}`);
    tf.removeBackend('webgpu');
    if (before === undefined) Reflect.deleteProperty(globalThis, 'navigator');
    else Object.defineProperty(globalThis, 'navigator', before);
  });

  // looked for, not imported: the tfjs backend must find navigator.gpu when it is first loaded
  const absent = ['webgpu', '@tensorflow/tfjs-backend-webgpu'].filter((name) => !isInstalled(name)).join(' and ');
  it.skipIf(absent !== '')(`computes a gradient for real${absent === '' ? '' : ` (skipped: ${absent} not installed)`}`, async () => {
    const backends = createBackends(quietEnvironment);
    expect((await backends.chooseBackend('webgpu')).backend).toBe('webgpu');
  });
});

describe('the runtime', () => {
  it('chooses, describes itself and answers for the environment', async () => {
    expect(['wasm', 'tensorflow']).toContain((await runtime.chooseBackend()).backend);
    expect(runtime.describe()).toContain(node);
    expect(runtime.name).toBe('node');
    expect(runtime.environment('PATH')).toBe(process.env['PATH']);
    expect(Object.isFrozen(runtime)).toBe(true);
  });

  it('leaves no tensor behind from its test gradient', async () => {
    await runtime.chooseBackend('cpu');
    const before = tf.memory().numTensors;
    await probeBackend();
    expect(tf.memory().numTensors).toBe(before);
  });
});
