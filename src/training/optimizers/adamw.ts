import * as tf from '@tensorflow/tfjs-core';
import { decayed } from './decayed.js';
import type { RecipeOf, UpdateRule } from './update-rule.js';

/**
 * AdamW: each weight moves by its average gradient over the root of its average squared gradient, and decays by itself.
 *
 * The slot `square` is that average divided by the constant `1 - beta2`, and factors that are the same for all entries go into the
 * rate: 12 operations on the weight's size instead of 14, which counts where small heads take thousands of steps.
 * @source Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; epsilon stands where PyTorch has it
 */
export function adamw({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: RecipeOf<'adamw'>): UpdateRule {
  return {
    slots: (weight) => ({ mean: tf.zerosLike(weight), square: tf.zerosLike(weight) }),
    update(weight, slots, gradient, settings) {
      const { rate, step, momentum = beta1 } = settings;
      const mean = tf.add(tf.mul(slots['mean']!, momentum), tf.mul(gradient, 1 - momentum));
      const square = tf.add(tf.mul(slots['square']!, beta2), tf.square(gradient));
      // sqrt(square) * scale is the root of the average, corrected for its start from zero.
      const scale = Math.sqrt((1 - beta2) / (1 - beta2 ** step));
      const direction = tf.div(mean, tf.add(tf.sqrt(square), epsilon / scale));
      const move = tf.mul(direction, rate / (scale * (1 - momentum ** step)));
      return { weight: tf.sub(decayed(weight, settings), move), slots: { mean, square } };
    },
  };
}
