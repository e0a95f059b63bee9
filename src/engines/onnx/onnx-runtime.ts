/**
 * What TransferKit uses of ONNX Runtime's JavaScript API, which onnxruntime-node and onnxruntime-web share. Told here, so that the
 * library compiles and runs without either.
 */
import type { OnnxType } from '../../graph/onnx-model.js';
import type { Missing } from '../../runtimes/runtime.js';

/** Numbers of a tensor. */
export type OrtValues = Float32Array | Int32Array | Uint8Array | BigInt64Array | Uint16Array;

/** ONNX Runtime's tensor. It does not copy the numbers that it is made of. */
export interface OrtTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: OrtValues;
}

/** A loaded graph. */
export interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** @param fetches outputs by name: null for a new tensor, or one that the numbers are written into */
  run(feeds: Record<string, OrtTensor>, fetches: Record<string, OrtTensor | null>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

/** Settings of a session. */
export interface OrtSessionOptions {
  readonly executionProviders?: readonly string[];
  readonly intraOpNumThreads?: number;
  readonly graphOptimizationLevel?: 'disabled' | 'basic' | 'extended' | 'all';
  readonly enableProfiling?: boolean;
  readonly profileFilePrefix?: string;
  /** 3: errors only. */
  readonly logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
}

/** The package, as one copy of it. */
export interface OnnxRuntime {
  readonly Tensor: new (type: OnnxType, values: OrtValues, shape: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(model: Uint8Array, options?: OrtSessionOptions): Promise<OrtSession> };
  readonly env: { readonly versions: { readonly common: string } };
}

/** ONNX Runtime as a runtime found it, ready to be used. */
export interface LoadedOnnxRuntime {
  readonly runtime: OnnxRuntime;
  /** Package and version: `onnxruntime-node 1.30.0`. */
  readonly name: string;
  /** Settings that fit the machine: threads, execution providers. */
  readonly session: OrtSessionOptions;
  /** Why the threads are as many as they are, where that wants a word. */
  readonly remark?: string | undefined;
  /** Whether tensors that are given as outputs are left as they are, and new ones come back. */
  readonly ignoresOutputs?: boolean;
  /** What to do where it is there and does not compute. Given where only a run can tell, because files are fetched for the first one. */
  readonly fix?: string;
  /** Backends of tfjs that compute as fast as this on a processor: beside them it is not taken unasked. */
  readonly rivals?: readonly string[];
  /** The same on a graphics card, for functions without state; to be proved before it is used. */
  readonly graphics?: () => Promise<LoadedOnnxRuntime | Missing>;
}
