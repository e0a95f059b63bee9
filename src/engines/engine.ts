/**
 * The contract of an engine: how a function of tensors is run.
 *
 * The function must be pure in its tensors: the same input shapes always give the same operations. An engine may run it as it
 * is, or record it once for each set of shapes and run the recording.
 */
import type { Tensor } from '@tensorflow/tfjs-core';

/** A function made ready to be run many times. */
export interface CompiledFunction {
  /** Runs it. The outputs belong to the caller; the inputs are not disposed. */
  run(inputs: readonly Tensor[]): Tensor[];
  /** Releases what the engine keeps for it. Idempotent. */
  dispose(): void;
}

/** A way to run functions of tensors. */
export interface Engine {
  readonly name: string;
  compile(compute: (inputs: readonly Tensor[]) => Tensor[]): CompiledFunction;
}
