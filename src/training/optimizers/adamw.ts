import * as tf from '@tensorflow/tfjs-core';
import type { RecipeOf, UpdateRule } from './update-rule.js';

/**
 * AdamW: each weight moves by its average gradient over the root of its average squared gradient.
 *
 * The slot `square` is that average divided by the constant `1 - beta2`, and factors that are the same for all entries go into the
 * rate: 12 operations on the weight's size instead of 14, which counts where small heads take thousands of steps.
 * @source Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; epsilon stands where PyTorch has it
 */
export function adamw({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: RecipeOf<'adamw'>): UpdateRule {
  return {
    slots: (weight) => ({ mean: tf.zerosLike(weight), square: tf.zerosLike(weight) }),
    factors({ rate, step, momentum = beta1 }) {
      // sqrt(square) * scale is the root of the average, corrected for its start from zero.
      const scale = Math.sqrt((1 - beta2) / (1 - beta2 ** step));
      return [momentum, 1 - momentum, epsilon / scale, rate / (scale * (1 - momentum ** step))];
    },
    update(_weight, slots, gradient, [momentum, share, smallest, size]) {
      const mean = tf.add(tf.mul(slots['mean']!, momentum!), tf.mul(gradient, share!));
      const square = tf.add(tf.mul(slots['square']!, beta2), tf.square(gradient));
      return { move: tf.mul(tf.div(mean, tf.add(tf.sqrt(square), smallest!)), size!), slots: { mean, square } };
    },
  };
}
