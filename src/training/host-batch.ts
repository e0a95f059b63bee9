import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../common/random.js';
import type { HostTensor } from '../engines/engine.js';
import { takeOut, tensorFrom } from '../engines/host-tensor.js';
import type { MixAugmentation } from '../inputs/augment/recipe.js';
import { mixBatch } from './mix.js';
import type { StepBatch } from './step-batch.js';

/** A batch outside of any backend. */
export interface HostBatch {
  /** Per branch: one array per border of the network. */
  readonly branches: readonly (readonly HostTensor[])[];
  readonly targets: readonly HostTensor[];
  /** float32 [batch] */
  readonly weights: HostTensor;
}

/** Sums over a batch: of the weighted loss, and of each metric. */
export interface BatchFigures {
  readonly loss: number;
  readonly metrics: readonly number[];
}

/** The batch as tensors. Caller disposes. */
export const tensorBatch = ({ branches, targets, weights }: HostBatch): StepBatch => ({
  branches: branches.map((arrays) => arrays.map(tensorFrom)),
  targets: targets.map(tensorFrom),
  weights: tensorFrom(weights) as tf.Tensor1D,
});

/** A batch mixed on tfjs's backend, before the engine gets it. */
export async function mixHostBatch(batch: HostBatch, recipe: MixAugmentation, random: Random): Promise<HostBatch> {
  const { branches, targets, weights } = tf.tidy(() => {
    const { share: _share, ...mixed } = mixBatch(tensorBatch(batch), recipe, random);
    return mixed as unknown as StepBatch & tf.TensorContainerObject;
  });
  return {
    branches: await Promise.all(branches.map((tensors) => Promise.all(tensors.map(takeOut)))),
    targets: await Promise.all(targets.map(takeOut)),
    weights: await takeOut(weights),
  };
}

/** Sums as an engine gives them: the loss, then the metrics. */
export const figuresOf = ([loss = Number.NaN, ...metrics]: Iterable<number>): BatchFigures => ({ loss, metrics });
