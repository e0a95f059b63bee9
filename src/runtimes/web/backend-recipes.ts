import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../../errors.js';
import type { BackendRecipe } from '../create-backends.js';
import { installWasmKernels } from '../wasm-kernels.js';
import { wasmMemory } from '../wasm-kernels/heap.js';
import { checkWasmFile, isStarted, tfjsPaths, wasmPaths } from './wasm-paths.js';

/**
 * What a failed `import()` means. Bundlers leave the import of a package that is not installed as it is, which no browser can
 * resolve, or put a module in its place that throws.
 */
function importError(name: string, error: unknown): Error {
  const short = name.replace('@tensorflow/', '');
  const reason = error instanceof Error ? error.message : String(error);
  if (!/resolve|not installed|cannot find/i.test(reason)) return new Error(`${short} does not load: ${reason}`, { cause: error });
  const message = `${short} not installed\n  Fix: npm install ${name}, and build the page again`;
  return new TransferKitError('missing-package', message, { details: { package: name }, cause: error });
}

// Each import() is written out, inside try: bundlers follow only what they can read, and let an optional package be absent only there.

async function importWebgl(): Promise<typeof import('@tensorflow/tfjs-backend-webgl')> {
  try {
    return await import('@tensorflow/tfjs-backend-webgl');
  } catch (error) {
    throw importError('@tensorflow/tfjs-backend-webgl', error);
  }
}

async function importWasm(): Promise<typeof import('@tensorflow/tfjs-backend-wasm')> {
  try {
    return await import('@tensorflow/tfjs-backend-wasm');
  } catch (error) {
    throw importError('@tensorflow/tfjs-backend-wasm', error);
  }
}

async function importCpu(): Promise<typeof import('@tensorflow/tfjs-backend-cpu')> {
  try {
    return await import('@tensorflow/tfjs-backend-cpu');
  } catch (error) {
    throw importError('@tensorflow/tfjs-backend-cpu', error);
  }
}

const webgl: BackendRecipe = {
  name: 'webgl',
  aliases: [],
  hardware: 'graphics',
  async prepare() {
    await importWebgl();
    if (tf.env().getNumber('WEBGL_VERSION') === 0) throw new Error('WebGL is not to be had in this browser');
    return tf.env().getBool('WEBGL_RENDER_FLOAT32_CAPABLE') ? 'webgl' : 'webgl (16-bit numbers)';
  },
};

const wasm: BackendRecipe = {
  name: 'wasm',
  aliases: [],
  hardware: 'processor',
  memory: wasmMemory,
  async prepare() {
    const { setWasmPaths } = await importWasm();
    if (!isStarted('wasm')) {
      const paths = wasmPaths();
      if (paths === undefined) throw new Error("wasm needs configureWeb({ wasmPaths }) of 'transferkit/web'");
      await checkWasmFile(paths);
      setWasmPaths(tfjsPaths(paths));
    }
    installWasmKernels();
    return (await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) === true ? 'wasm (SIMD)' : 'wasm';
  },
};

const cpu: BackendRecipe = {
  name: 'cpu',
  aliases: [],
  hardware: 'processor',
  async prepare() {
    await importCpu();
    return 'cpu (plain JavaScript, slow)';
  },
};

/** Every backend that a browser can have, in the order in which they are tried. */
export const webBackends: readonly BackendRecipe[] = [webgl, wasm, cpu];
