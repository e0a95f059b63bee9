import { getKernel, util, type DataType, type KernelFunc, type TensorInfo } from '@tensorflow/tfjs-core';

/** A function of the wasm module; every argument and result is a number. */
type Native = (...values: readonly number[]) => number;

/** What we use of tfjs's Emscripten module. */
export interface WasmModule {
  readonly HEAP32: Int32Array;
  readonly HEAPF32: Float32Array;
  readonly _malloc: Native;
  readonly _free: Native;
  readonly tfjs: { disposeData(id: number): void; registerTensor(id: number, size: number, address: number): void };
  readonly [native: `_${string}`]: Native;
}

/** What the backend keeps about a tensor. `memoryOffset` is its address in bytes. */
interface WasmData {
  readonly id: number;
  readonly memoryOffset: number;
  readonly shape: readonly number[];
}

/** What we use of tfjs's BackendWasm. */
export interface WasmBackend {
  readonly wasm: WasmModule;
  readonly dataIdMap: { get(dataId: object): WasmData; delete(dataId: object): boolean };
  makeOutput(shape: readonly number[], dtype: DataType, address?: number): TensorInfo;
  /** One more owner; each calls `disposeData` once. */
  incRef(dataId: object): void;
  disposeData(dataId: object): boolean;
  typedArrayFromHeap(x: TensorInfo): Float32Array | Int32Array | Uint8Array;
}

/** One run of a kernel. The inputs belong to the caller: wrapping them in tensors would let a scope dispose them. */
export interface KernelCall {
  readonly inputs: Readonly<Record<string, TensorInfo | undefined>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly backend: WasmBackend;
}

/** A kernel: gives a new tensor that the caller owns. */
export type Kernel = (call: KernelCall) => TensorInfo;

/** Makes a kernel that may hand cases back to the one of tfjs. */
export type KernelFactory = (stock: Kernel) => Kernel;

export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, length) => size * length, 1);

/** The address in bytes of element `index` of a tensor of 4-byte elements. */
export const addressOf = (backend: WasmBackend, x: TensorInfo, index = 0): number =>
  backend.dataIdMap.get(x.dataId).memoryOffset + 4 * index;

/** A float32 window on the heap. Any allocation may move the heap, so take it after the last one. */
export const floatsAt = (module: WasmModule, address: number, size: number): Float32Array =>
  module.HEAPF32.subarray(address >>> 2, (address >>> 2) + size);

export const floatsOf = (backend: WasmBackend, x: TensorInfo): Float32Array =>
  floatsAt(backend.wasm, addressOf(backend, x), sizeOf(x.shape));

/** Runs a registered wasm kernel on tensor infos. The result is the caller's. */
function runKernel(backend: WasmBackend, name: string, inputs: KernelCall['inputs'], attrs: KernelCall['attrs'] = {}): TensorInfo {
  const kernel = getKernel(name, 'wasm') as { readonly kernelFunc: KernelFunc } | undefined;
  util.assert(kernel !== undefined, () => `The wasm backend has no kernel ${name}.`);
  return (kernel!.kernelFunc as unknown as Kernel)({ inputs, attrs, backend });
}

/** A tensor over memory that another tensor owns. */
interface View {
  readonly info: TensorInfo;
  readonly id: number;
}

/** The intermediate tensors of one kernel run. `close` gives all of them back, whatever happened. */
export class Scratch {
  readonly #owned = new Set<object>();
  readonly #views: View[] = [];

  constructor(readonly backend: WasmBackend) {}

  /** New memory, contents undefined. */
  empty(shape: readonly number[]): TensorInfo {
    return this.own(this.backend.makeOutput(shape, 'float32'));
  }

  zeros(shape: readonly number[]): TensorInfo {
    const out = this.empty(shape);
    floatsOf(this.backend, out).fill(0);
    return out;
  }

  own(x: TensorInfo): TensorInfo {
    this.#owned.add(x.dataId);
    return x;
  }

  run(name: string, inputs: KernelCall['inputs'], attrs: KernelCall['attrs'] = {}): TensorInfo {
    return this.own(runKernel(this.backend, name, inputs, attrs));
  }

  /** A part of a tensor under an id of its own, with nothing copied. Disposing it as data would free an address inside another block. */
  view(x: TensorInfo, shape: readonly number[], firstElement = 0): TensorInfo {
    const info = this.backend.makeOutput(shape, x.dtype, addressOf(this.backend, x, firstElement));
    this.#views.push({ info, id: this.backend.dataIdMap.get(info.dataId).id });
    return info;
  }

  /** Gives a tensor back before the end. */
  drop(x: TensorInfo): void {
    if (this.#owned.delete(x.dataId)) this.backend.disposeData(x.dataId);
  }

  /** Takes a tensor out, so that it outlives the scratch. */
  release(x: TensorInfo, shape: readonly number[]): TensorInfo {
    this.#owned.delete(x.dataId);
    return { dataId: x.dataId, dtype: x.dtype, shape: [...shape] };
  }

  close(): void {
    for (const { info, id } of this.#views.splice(0)) {
      this.backend.wasm.tfjs.disposeData(id);
      this.backend.dataIdMap.delete(info.dataId);
    }
    for (const dataId of this.#owned) this.backend.disposeData(dataId);
    this.#owned.clear();
  }
}

/** Runs a function with intermediates that are given back also when it throws. */
export function withScratch<Result>(backend: WasmBackend, body: (scratch: Scratch) => Result): Result {
  const scratch = new Scratch(backend);
  try {
    return body(scratch);
  } finally {
    scratch.close();
  }
}
