import * as tf from '@tensorflow/tfjs-core';
import type { RecipeOf, UpdateRule } from './update-rule.js';

/**
 * Stochastic gradient descent with momentum, or Nesterov's. Its moves are PyTorch's, but for the decay: PyTorch adds it to the
 * gradient, here it is decoupled as in all optimisers.
 * @source Sutskever, Martens, Dahl and Hinton, On the importance of initialization and momentum in deep learning, 2013
 */
export function sgd({ momentum: usual = 0.9, nesterov = false }: RecipeOf<'sgd'>): UpdateRule {
  return {
    slots: (weight) => ({ velocity: tf.zerosLike(weight) }),
    factors: ({ rate, momentum = usual }) => [rate, momentum],
    update(_weight, slots, gradient, [rate, momentum]) {
      const velocity = tf.add(tf.mul(slots['velocity']!, momentum!), gradient);
      const direction = nesterov ? tf.add(gradient, tf.mul(velocity, momentum!)) : velocity;
      return { move: tf.mul(direction, rate!), slots: { velocity } };
    },
  };
}
