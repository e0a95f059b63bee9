import * as tf from '@tensorflow/tfjs-core';
import type { UpdateSettings } from './update-rule.js';

/** A weight after its decoupled decay: every optimiser shrinks the weight itself, never the gradient. */
export const decayed = (weight: tf.Tensor, { rate, decay }: UpdateSettings): tf.Tensor =>
  decay === 0 ? weight : tf.mul(weight, 1 - rate * decay);
