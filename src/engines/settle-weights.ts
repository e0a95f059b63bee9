import type * as tf from '@tensorflow/tfjs-core';
import type { WeightTarget } from '../weights/fill-model.js';
import type { Engine } from './engine.js';

/** Puts the newest numbers into weights that somebody is about to read: during a training an engine may keep them elsewhere. */
export function settleWeights(engine: Engine, weights: ReadonlyMap<string, Pick<WeightTarget, 'read'>>): void {
  const tensors: unknown[] = [...weights.values()].map((weight) => weight.read());
  engine.settle(tensors as tf.Variable[]); // tfjs-layers hands out its variables as plain tensors
}
