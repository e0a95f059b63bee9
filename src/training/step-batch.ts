import * as tf from '@tensorflow/tfjs-core';

/** The tensors of one batch; examples along the first axis everywhere. */
export interface StepBatch {
  /** Per branch: one tensor per border of the network. */
  readonly branches: readonly (readonly tf.Tensor[])[];
  readonly targets: readonly tf.Tensor[];
  /** Weight of each example in the loss, float32 [batch]. */
  readonly weights: tf.Tensor1D;
}

/** Examples from `start` (included) to `end` (excluded) of a batch. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

export const tensorsOf = (batch: StepBatch): tf.Tensor[] => [...batch.branches.flat(), ...batch.targets, batch.weights];

/** Some examples of a batch; the batch itself where these are all. Call inside `tf.tidy`. */
export function partOf(batch: StepBatch, { start, end }: Part): StepBatch {
  if (start === 0 && end === batch.weights.size) return batch;
  const cut = (tensor: tf.Tensor): tf.Tensor => tf.slice(tensor, start, end - start);
  return {
    branches: batch.branches.map((tensors) => tensors.map(cut)),
    targets: batch.targets.map(cut),
    weights: cut(batch.weights) as tf.Tensor1D,
  };
}
