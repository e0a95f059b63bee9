import { findBackend } from '@tensorflow/tfjs-core';
import { TransferKitError } from '../../errors.js';
import type { BackendMemory } from '../runtime.js';
import type { WasmBackend, WasmModule } from './wasm-backend.js';

/**
 * Bytes that the heap can have: 65,535 pages.
 * @source tfjs-backend-wasm 4.22, `getHeapMax` in wasm-out/tfjs-backend-wasm-simd.js
 */
const heapLimit = 65_535 * 65_536;

/** Bytes that can be had at once: the allocator takes more for a negative number, and gives memory that is in use. */
const largestRequest = 2 ** 31 - 2 ** 17;

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

function heapFull(needed: number, used: number, cause?: unknown): TransferKitError {
  const asked = cause === undefined ? `${gibibytes(needed)} more are needed, and ` : '';
  const broken = cause === undefined ? '' : ' The backend may be broken now: start the program again.';
  return new TransferKitError(
    'out-of-memory',
    `the memory of the wasm backend is full: ${asked}${gibibytes(used)} of ${gibibytes(heapLimit)} are in use.${broken}\n` +
      '  Fix: shorter texts or smaller photos, fewer at once (batchSize), dispose models that are not used any more, or, in Node, let ONNX Runtime compute (npm install onnxruntime-node).',
    { details: { needed, used, limit: heapLimit }, cause },
  );
}

/**
 * Puts counting functions in the place of the module's own. Where the heap is full they throw before anything is written: tfjs would
 * take the address 0 and write over the module's own data.
 */
function watchModule(module: { -readonly [Key in '_malloc' | '_free']: WasmModule[Key] } & Pick<WasmModule, 'HEAP32'>): BackendMemory {
  module._free(module._malloc(4)); // the first call puts the functions of the wasm file in the place of Emscripten's stubs
  const { _malloc: allocate, _free: release } = module;
  const sizes = new Map<number, number>();
  let [used, peak, last] = [0, 0, 0];
  module._malloc = (bytes = 0) => {
    const address = bytes > largestRequest ? 0 : allocate(bytes) >>> 0;
    if (address === 0 && bytes > 0) throw heapFull(bytes, used);
    sizes.set(address, bytes);
    last = used += bytes;
    peak = Math.max(peak, used);
    return address;
  };
  module._free = (address = 0) => {
    used -= sizes.get(address >>> 0) ?? 0;
    sizes.delete(address >>> 0);
    return release(address);
  };
  return {
    limit: heapLimit,
    watch(work) {
      const before = (peak = last = used);
      work();
      return { peak: peak - before, last: last - before };
    },
    explain: (error) =>
      error instanceof WebAssembly.RuntimeError && module.HEAP32.byteLength > 0.9 * heapLimit ? heapFull(0, used, error) : error,
  };
}

const watched = new WeakMap<WasmModule, BackendMemory>();

/** The heap of the wasm backend, which is watched from the first call on; undefined before the backend has started. */
export function wasmMemory(): BackendMemory | undefined {
  const module = (findBackend('wasm') as unknown as WasmBackend | null)?.wasm;
  if (module === undefined) return undefined;
  const memory = watched.get(module) ?? watchModule(module);
  watched.set(module, memory);
  return memory;
}
