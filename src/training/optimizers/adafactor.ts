import * as tf from '@tensorflow/tfjs-core';
import type { RecipeOf, Slots, UpdateRule } from './update-rule.js';

/** Root of the mean square, as a scalar. */
const rootMeanSquare = (tensor: tf.Tensor): tf.Tensor => tf.sqrt(tf.mean(tf.square(tensor)));

/** Shares of what was and of what is new: two scalars that add up to 1. */
type Shares = readonly [before: tf.Tensor, now: tf.Tensor];

const blend = (before: tf.Tensor, now: tf.Tensor, [old, fresh]: Shares): tf.Tensor => tf.add(tf.mul(before, old), tf.mul(now, fresh));

/** Averages of the squared gradient: per row and per column of the last two axes, or per entry of a vector. */
function average(before: Slots, gradient: tf.Tensor, shares: Shares): Slots {
  const square = tf.square(gradient);
  if (before['square'] !== undefined) return { square: blend(before['square'], square, shares) };
  return {
    rows: blend(before['rows']!, tf.mean(square, -1, true), shares), // [..., rows, 1]
    columns: blend(before['columns']!, tf.mean(square, -2, true), shares), // [..., 1, columns]
  };
}

/** The squared gradient that the averages stand for, of the gradient's shape. */
function estimate({ square, rows, columns }: Slots, epsilon1: number): tf.Tensor {
  return square ?? tf.mul(tf.div(rows!, tf.maximum(tf.mean(rows!, -2, true), epsilon1)), columns!);
}

const without = (shape: readonly number[], axis: number): number[] => shape.map((size, index) => (index === axis ? 1 : size));

/**
 * Adafactor: of a matrix's squared gradients it remembers one number a row and one a column, so that its memory is next to nothing.
 * Steps are relative to the size of the weight. The numbers are PyTorch's: the rate is what the caller says, never more than
 * `1 / sqrt(step)`.
 * @source Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018
 */
export function adafactor(recipe: RecipeOf<'adafactor'>): UpdateRule {
  const { beta2Decay = -0.8, epsilon1 = 2 ** -23, epsilon2 = 1e-3, clip = 1 } = recipe;
  return {
    slots({ shape, rank }) {
      if (rank < 2) return { square: tf.zeros(shape) };
      return { rows: tf.zeros(without(shape, rank - 1)), columns: tf.zeros(without(shape, rank - 2)) };
    },
    factors({ rate, step }) {
      const share = step ** beta2Decay;
      return [1 - share, share, Math.min(rate, step ** -0.5)];
    },
    update(weight, before, gradient, [old, fresh, rate]) {
      const slots = average(before, gradient, [old!, fresh!]);
      const direction = tf.mul(gradient, tf.rsqrt(tf.maximum(estimate(slots, epsilon1), epsilon1 ** 2)));
      const size = tf.mul(tf.maximum(rootMeanSquare(weight), epsilon2), rate!);
      const excess = tf.maximum(tf.div(rootMeanSquare(direction), clip), 1);
      return { move: tf.mul(direction, tf.div(size, excess)), slots };
    },
  };
}
