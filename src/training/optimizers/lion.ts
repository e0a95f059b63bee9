import * as tf from '@tensorflow/tfjs-core';
import type { RecipeOf, UpdateRule } from './update-rule.js';

/**
 * Lion: every entry moves by the rate, in the direction of the sign of its averaged gradient. One slot instead of AdamW's two; wants
 * a rate three to ten times smaller, and a decay as many times larger.
 * @source Chen et al., Symbolic Discovery of Optimization Algorithms, 2023
 */
export function lion({ beta1 = 0.9, beta2 = 0.99 }: RecipeOf<'lion'>): UpdateRule {
  return {
    slots: (weight) => ({ mean: tf.zerosLike(weight) }),
    factors: ({ rate, momentum = beta1 }) => [rate, momentum, 1 - momentum],
    update(_weight, slots, gradient, [rate, momentum, share]) {
      const before = slots['mean']!;
      const direction = tf.sign(tf.add(tf.mul(before, momentum!), tf.mul(gradient, share!)));
      const mean = tf.add(tf.mul(before, beta2), tf.mul(gradient, 1 - beta2));
      return { move: tf.mul(direction, rate!), slots: { mean } };
    },
  };
}
