import * as tf from '@tensorflow/tfjs-core';

/** Running averages of a weight's gradient and of its square. */
export interface AdamSlots {
  readonly mean: tf.Tensor;
  readonly square: tf.Tensor;
}

/** Settings of one update. */
export interface AdamSettings {
  /** Learning rate of this step. */
  readonly rate: number;
  /** Decoupled decay: the weight shrinks by `rate * decay` each step. */
  readonly decay: number;
  /** Number of this update, from 1. */
  readonly step: number;
}

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

/** Slots of a weight that was never updated. */
export const emptySlots = (weight: tf.Tensor): AdamSlots => ({ mean: tf.zerosLike(weight), square: tf.zerosLike(weight) });

/**
 * One AdamW update, as a pure function. Call inside `tf.tidy`.
 * @source Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; the order of operations is PyTorch's
 */
export function adamw(
  weight: tf.Tensor,
  slots: AdamSlots,
  gradient: tf.Tensor,
  settings: AdamSettings,
): { weight: tf.Tensor; slots: AdamSlots } {
  const mean = tf.add(tf.mul(slots.mean, beta1), tf.mul(gradient, 1 - beta1));
  const square = tf.add(tf.mul(slots.square, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const denominator = tf.add(tf.div(tf.sqrt(square), Math.sqrt(1 - beta2 ** settings.step)), epsilon);
  const move = tf.mul(tf.div(mean, denominator), settings.rate / (1 - beta1 ** settings.step));
  const decayed = settings.decay === 0 ? weight : tf.mul(weight, 1 - settings.rate * settings.decay);
  return { weight: tf.sub(decayed, move), slots: { mean, square } };
}
