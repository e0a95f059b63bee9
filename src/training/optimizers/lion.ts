import * as tf from '@tensorflow/tfjs-core';
import { decayed } from './decayed.js';
import type { RecipeOf, UpdateRule } from './update-rule.js';

/**
 * Lion: every entry moves by the rate, in the direction of the sign of its averaged gradient. One slot instead of AdamW's two; wants
 * a rate three to ten times smaller, and a decay as many times larger.
 * @source Chen et al., Symbolic Discovery of Optimization Algorithms, 2023
 */
export function lion({ beta1 = 0.9, beta2 = 0.99 }: RecipeOf<'lion'>): UpdateRule {
  return {
    slots: (weight) => ({ mean: tf.zerosLike(weight) }),
    update(weight, slots, gradient, settings) {
      const { rate, momentum = beta1 } = settings;
      const before = slots['mean']!;
      const direction = tf.sign(tf.add(tf.mul(before, momentum), tf.mul(gradient, 1 - momentum)));
      const mean = tf.add(tf.mul(before, beta2), tf.mul(gradient, 1 - beta2));
      return { weight: tf.sub(decayed(weight, settings), tf.mul(direction, rate)), slots: { mean } };
    },
  };
}
