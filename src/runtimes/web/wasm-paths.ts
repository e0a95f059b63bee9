import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../../errors.js';

/** The three builds of tfjs's wasm backend; which one is loaded depends on the browser and on the page's headers. */
export type WasmFile = 'tfjs-backend-wasm.wasm' | 'tfjs-backend-wasm-simd.wasm' | 'tfjs-backend-wasm-threaded-simd.wasm';

/** Where the `.wasm` files are: the address of their folder, or of each file. */
export type WasmPaths = string | Readonly<Record<WasmFile, string>>;

let paths: WasmPaths | undefined;

export const isStarted = (name: string): boolean => name in (tf.engine() as unknown as { registry: object }).registry;

/** Where the page said that the files are; undefined when it did not. */
export const wasmPaths = (): WasmPaths | undefined => paths;

/** @throws TransferKitError `bad-option` when the backend runs already. */
export function setPaths(wanted: WasmPaths): void {
  if (isStarted('wasm')) {
    const message = 'wasmPaths came after the wasm backend had started.\n  Fix: call configureWeb() before the first model is loaded.';
    throw new TransferKitError('bad-option', message, { details: { wasmPaths: wanted } });
  }
  paths = wanted;
}

/** The file that tfjs will load here, as it decides it. */
async function wasmFile(): Promise<WasmFile> {
  const [simd, threads] = await Promise.all(
    ['WASM_HAS_SIMD_SUPPORT', 'WASM_HAS_MULTITHREAD_SUPPORT'].map((flag) => tf.env().getAsync(flag)),
  );
  if (simd !== true) return 'tfjs-backend-wasm.wasm';
  return threads === true ? 'tfjs-backend-wasm-threaded-simd.wasm' : 'tfjs-backend-wasm-simd.wasm';
}

/** tfjs wants its folder to end in a slash. */
const asFolder = (address: string): string => (address.endsWith('/') ? address : `${address}/`);

/** The paths in the form that tfjs takes. */
export const tfjsPaths = (given: WasmPaths): WasmPaths => (typeof given === 'string' ? asFolder(given) : given);

/**
 * Makes sure that the file is there before tfjs looks for it: after one failure tfjs would wait forever at the next attempt.
 * @throws Error in plain words
 */
export async function checkWasmFile(given: WasmPaths): Promise<void> {
  const file = await wasmFile();
  const address = typeof given === 'string' ? asFolder(given) + file : given[file];
  if (address === undefined) throw new Error(`wasmPaths says nothing of "${file}", which this browser needs`);
  const answer = await fetch(address, { method: 'HEAD' }).catch((error: unknown) => {
    throw new Error(`"${address}" could not be reached: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  });
  if ([404, 410].includes(answer.status)) throw new Error(`"${address}" was answered with status ${answer.status}; check wasmPaths`);
  // Servers of single-page applications answer every address with the page.
  if (answer.headers.get('content-type')?.startsWith('text/html'))
    throw new Error(`"${address}" is a web page, not a .wasm file; check wasmPaths`);
}
