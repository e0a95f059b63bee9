import * as tf from '@tensorflow/tfjs-core';
import type { Variable } from '@tensorflow/tfjs-core';
import type { OnnxRuntime, OrtTensor } from './onnx-runtime.js';

/** A variable's numbers outside of tfjs. */
interface Kept {
  /** The numbers as they are now. */
  tensor: OrtTensor;
  /** An array of the same size that the next numbers are written into. */
  spare: OrtTensor | undefined;
  /** tfjs's data that belongs to `tensor`, as of the last time that they were equal. */
  dataId: object;
  /** Whether `tensor` is newer. */
  ahead: boolean;
}

/**
 * Variables that graphs read and write, kept as ONNX Runtime's tensors between runs, for all functions of one engine. A variable that
 * somebody assigned to in tfjs is read anew; one that a graph has written is put back by `settle`.
 */
export class StateStore {
  readonly #kept = new WeakMap<Variable, Kept>();

  constructor(private readonly ort: OnnxRuntime) {}

  /** The numbers of a variable as they are now. */
  async read(variable: Variable): Promise<OrtTensor> {
    const kept = this.#kept.get(variable);
    if (kept?.dataId === variable.dataId) return kept.tensor;
    const { dataId } = variable;
    const values = await variable.data<'float32'>();
    // a copy: a processor's backend may give a view of its memory, which moves when it grows
    const tensor = new this.ort.Tensor(variable.dtype as 'float32', values.slice(), variable.shape);
    this.#kept.set(variable, { tensor, spare: undefined, dataId, ahead: false });
    return tensor;
  }

  /** An array for the next numbers of a variable that was read. */
  spare(variable: Variable): OrtTensor {
    const kept = this.#kept.get(variable)!;
    const { type, dims, data } = kept.tensor;
    kept.spare ??= new this.ort.Tensor(type as 'float32', new (data.constructor as Float32ArrayConstructor)(data.length), dims);
    return kept.spare;
  }

  /** @param next holds the numbers from now on: the spare array, which has been written, or a new one */
  advance(variable: Variable, next: OrtTensor): void {
    const kept = this.#kept.get(variable)!;
    kept.spare = next === kept.spare ? kept.tensor : undefined;
    kept.tensor = next;
    kept.ahead = true;
  }

  /** Lets go of what is kept of variables whose numbers tfjs has too; the next `read` takes them from there. */
  forget(variables: readonly Variable[]): void {
    for (const variable of variables) if (this.#kept.get(variable)?.ahead === false) this.#kept.delete(variable);
  }

  /** Puts numbers that graphs have written into their variables. */
  settle(variables: readonly Variable[]): void {
    for (const variable of variables) {
      const kept = this.#kept.get(variable);
      if (kept?.ahead !== true || kept.dataId !== variable.dataId) continue;
      const { data, dims } = kept.tensor;
      tf.tidy(() => variable.assign(tf.tensor((data as Float32Array).slice(), [...dims], variable.dtype)));
      kept.dataId = variable.dataId;
      kept.ahead = false;
    }
  }
}
