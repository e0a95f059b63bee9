import * as tf from '@tensorflow/tfjs-core';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { TransferKitError } from '../../errors.js';
import type { BackendRecipe } from '../create-backends.js';
import { installWasmKernels } from '../wasm-kernels.js';
import { wasmMemory } from '../wasm-kernels/heap.js';

/** Imports a package by name; tests pass their own. */
export type PackageImporter = (name: string) => Promise<unknown>;

/** A backend of Node, given what imports packages. */
export interface NodeBackendRecipe extends Omit<BackendRecipe, 'prepare'> {
  readonly prepare: (load: PackageImporter) => Promise<string>;
}

export const importPackage: PackageImporter = (name) => import(/* @vite-ignore */ name) as Promise<unknown>;

const isNotInstalled = (error: unknown, name: string): boolean =>
  error instanceof Error &&
  'code' in error &&
  ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(String(error.code)) &&
  error.message.includes(`'${name}'`);

function missing(name: string, short: string, install: string, error: unknown): TransferKitError {
  return new TransferKitError('missing-package', `${short} not installed\n  Fix: npm install ${install}`, {
    details: { package: name },
    cause: error,
  });
}

/** Imports an optional package. @throws TransferKitError `missing-package` with the line that installs it. */
async function optional(load: PackageImporter, name: string, short: string, install = name): Promise<Record<string, unknown>> {
  try {
    const module = (await load(name)) as Record<string, unknown>;
    return typeof module['default'] === 'object' && module['default'] !== null ? { ...module['default'], ...module } : module;
  } catch (error) {
    if (isNotInstalled(error, name)) throw missing(name, short, install, error);
    throw new Error(`${short} is installed and does not load: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** The version of a part of tfjs, as the module states it; empty when it does not. */
const versionOf = (module: Record<string, unknown>, part: string): string =>
  (module['version'] as Readonly<Record<string, string | undefined>> | undefined)?.[part] ?? '';

/** tfjs gives null for what it does not know, which its types leave out. */
const isRegistered = (name: string): boolean => (tf.findBackendFactory(name) as unknown) !== null;
const isStarted = (name: string): boolean => name in (tf.engine() as unknown as { registry: object }).registry;

/** Two copies of tfjs-core each keep their own classes; tensors of one break in the other. */
function checkOneCopy(module: Record<string, unknown>, short: string): void {
  if (!isRegistered('tensorflow')) throw new Error(`${short} registered its backend in another copy of tfjs-core`);
  if (module['Tensor'] === undefined || module['Tensor'] === tf.Tensor) return;
  const versions = `ours is ${tf.version_core}, its copy ${versionOf(module, 'tfjs-core')}`;
  throw new Error(`${short} brings another copy of tfjs-core (${versions}); npm dedupe makes them one`);
}

const tensorflow: NodeBackendRecipe = {
  name: 'tensorflow',
  aliases: ['tfjs-node'],
  hardware: 'processor',
  async prepare(load) {
    process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '3'; // its library prints on stderr otherwise, past the console
    const module = await optional(load, '@tensorflow/tfjs-node', 'tfjs-node');
    checkOneCopy(module, 'tfjs-node');
    return `tensorflow (${['tfjs-node', versionOf(module, 'tfjs-node')].join(' ').trim()})`;
  },
};

/** The folder of the .wasm files inside the installed package. */
function wasmFolder(): string {
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'); // .../dist/tf-backend-wasm.node.js
  return join(dirname(main), '..', 'wasm-out') + sep;
}

const wasm: NodeBackendRecipe = {
  name: 'wasm',
  aliases: [],
  hardware: 'processor',
  memory: wasmMemory,
  async prepare(load) {
    const module = await optional(load, '@tensorflow/tfjs-backend-wasm', 'tfjs-backend-wasm');
    if (!isStarted('wasm')) (module['setWasmPaths'] as (folder: string) => void)(wasmFolder());
    installWasmKernels();
    return (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) === true ? 'wasm (SIMD)' : 'wasm';
  },
};

const cpu: NodeBackendRecipe = {
  name: 'cpu',
  aliases: [],
  hardware: 'processor',
  async prepare(load) {
    await optional(load, '@tensorflow/tfjs-backend-cpu', 'tfjs-backend-cpu');
    const backend: unknown = tf.findBackend('cpu');
    if (typeof backend === 'object' && backend !== null && 'firstUse' in backend) backend.firstUse = false; // else it prints an advertisement
    return 'cpu (plain JavaScript, slow)';
  },
};

/** Gives the process `navigator.gpu`, which tfjs looks for when its module is loaded. */
function provideGpu(dawn: Record<string, unknown>): void {
  Object.assign(globalThis, dawn['globals']);
  const gpu = (dawn['create'] as (flags: string[]) => unknown)([]);
  const { navigator } = globalThis as { navigator?: object };
  if (navigator === undefined) Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true, writable: true });
  else Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true });
}

const webgpu: NodeBackendRecipe = {
  name: 'webgpu',
  aliases: [],
  hardware: 'graphics',
  async prepare(load) {
    const install = 'webgpu @tensorflow/tfjs-backend-webgpu';
    const hasGpu = (globalThis as { navigator?: { gpu?: unknown } }).navigator?.gpu !== undefined;
    if (!hasGpu) provideGpu(await optional(load, 'webgpu', 'webgpu (Dawn for Node)', install));
    await optional(load, '@tensorflow/tfjs-backend-webgpu', 'tfjs-backend-webgpu', install);
    return 'webgpu (Dawn)';
  },
};

/** Every backend that Node can have. */
export const nodeBackends: readonly NodeBackendRecipe[] = [tensorflow, wasm, cpu, webgpu];
