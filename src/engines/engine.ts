/**
 * The contract of an engine: how a function of tensors is run.
 *
 * Functions are made of tfjs operations. The eager engine runs them as they are, on tfjs's backend; a compiling engine records a
 * function once as a graph and lets another runtime run that. Numbers go in and come out as plain arrays, so that what runs them need
 * not know tfjs.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';

/** Element types of tensors that engines take and give. */
export type HostType = 'float32' | 'int32' | 'bool';

/** A tensor outside of any backend: row-major. */
export interface HostTensor {
  readonly type: HostType;
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | Uint8Array;
}

/** A tensor that a function takes. A size is a number, or a name where it changes from call to call: `['batch', 224, 224, 3]`. */
export interface TensorPlaceholder {
  readonly name: string;
  readonly type: HostType;
  readonly shape: readonly (number | string)[];
}

/** A variable by a name that is its own within one function. */
export interface StateVariable {
  readonly name: string;
  readonly variable: Variable;
}

/**
 * A function that can be run many times. It must be pure in its tensors: the same shapes always give the same operations, and it never
 * looks at numbers.
 */
export interface TensorFunction {
  /** In notes, errors and profiles: `features`, `training step`. */
  readonly name: string;
  readonly inputs: readonly TensorPlaceholder[];
  /** Names of what comes out, in order. */
  readonly outputs: readonly string[];
  /** @param random the next seed, for layers that draw in training */
  readonly compute: (inputs: readonly Tensor[], random: () => number) => readonly Tensor[];
  /** Variables beside `state` whose numbers the function relies on. A compiled function is made anew where one of them was assigned to. */
  constants(): readonly Tensor[];
  /** Variables that change from call to call, by the function itself or by somebody else. */
  readonly state?: readonly StateVariable[];
}

/** A function made ready to be run many times. */
export interface CompiledFunction {
  /**
   * Runs it.
   * @param inputs one for each placeholder, in order
   * @param random the next seed. Needed where a layer draws
   */
  run(inputs: readonly HostTensor[], random?: () => number): Promise<HostTensor[]>;
  /** Releases what the engine keeps for it. Idempotent. */
  dispose(): void;
}

/** A way to run functions of tensors. */
export interface Engine {
  readonly name: 'eager' | 'onnx';
  /** Whether functions are recorded and run elsewhere: in memory of their own, and with weights that may stay there between runs. */
  readonly compiles: boolean;
  compile(compute: TensorFunction): CompiledFunction;
  /**
   * Puts into variables what compiled functions have assigned to them. An engine may keep such numbers elsewhere meanwhile: whoever reads
   * a variable that is some function's state calls this before.
   */
  settle(variables: readonly Variable[]): void;
  /** Lets go of numbers that are kept elsewhere and are in their variables too. Not while a function runs that has them as its state. */
  forget(variables: readonly Variable[]): void;
}
