import * as tf from '@tensorflow/tfjs-core';

/**
 * A mask of inverted dropout: 0 with probability `rate`, else 1 / (1 - rate). Same seed, same mask, on every backend.
 * The generator (mulberry32) is written out here: a mask has millions of values, and a call each would cost more than the network.
 */
function keepMask(shape: number[], rate: number, seed: number): tf.Tensor {
  const mask = new Float32Array(tf.util.sizeFromShape(shape));
  const kept = 1 / (1 - rate);
  const threshold = rate * 4294967296;
  let state = seed >>> 0;
  for (let index = 0; index < mask.length; index++) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    if ((mixed ^ (mixed >>> 14)) >>> 0 >= threshold) mask[index] = kept;
  }
  return tf.tensor(mask, shape, 'float32');
}

/**
 * Sets a share of the values to 0 and scales the others up, so that the expected sum stays.
 * @param rate share of the values that is dropped, 0 up to but not 1
 * @param seed of the mask
 */
export function dropValues(values: tf.Tensor, rate: number, seed: number): tf.Tensor {
  return tf.mul(values, keepMask(values.shape, rate, seed));
}
