import * as tf from '@tensorflow/tfjs-core';
import type { SaveForGradient } from './call-keywords.js';

/** Standard normal density at 0: 1 / sqrt(2 pi). */
const densityAtZero = 1 / Math.sqrt(2 * Math.PI);

/**
 * x times the standard normal distribution function of x, by the error function.
 * The gradient is written out to spare passes over the data.
 *
 * @param values float32 of any shape
 * @source Hendrycks and Gimpel 2016, "Gaussian error linear units"
 */
export function gelu(values: tf.Tensor): tf.Tensor {
  const operation = tf.customGrad((input, save) => {
    const x = input as tf.Tensor;
    const distribution = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
    (save as SaveForGradient)([x, distribution]);
    return {
      value: tf.mul(x, distribution),
      gradFunc: (upstream: tf.Tensor, [saved, cumulative]: tf.Tensor[]) => {
        const density = tf.mul(tf.exp(tf.mul(tf.square(saved!), -0.5)), densityAtZero);
        return tf.mul(upstream, tf.add(cumulative!, tf.mul(saved!, density)));
      },
    };
  });
  return operation(values);
}

/**
 * The approximation of GELU by the hyperbolic tangent, as GPT-2 and some BERTs use it. It differs from `gelu` by up to 5e-4.
 * @param values float32 of any shape
 */
export function tanhGelu(values: tf.Tensor): tf.Tensor {
  const cubed = tf.mul(tf.mul(tf.square(values), values), 0.044715);
  const inner = tf.mul(tf.add(values, cubed), Math.sqrt(2 / Math.PI));
  return tf.mul(tf.mul(values, 0.5), tf.add(tf.tanh(inner), 1));
}
