import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { onlyInput } from './call-keywords.js';

/** Lengths below this are taken as this, so that the zero vector stays zero. */
const shortest = 1e-12;

/** Scales each vector to length 1: float32 [batch, features] -> the same. A vector of zeros stays as it is. */
export class UnitLength extends layers.Layer {
  static readonly className = 'TransferKitUnitLength';

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const vectors = onlyInput(inputs);
    return tf.tidy(() => {
      // The bound is put under the square root: the gradient of a root at 0 is infinite.
      const squares = tf.maximum(tf.sum(tf.square(vectors), -1, true), shortest * shortest);
      return tf.mul(vectors, tf.rsqrt(squares));
    });
  }
}

tf.serialization.registerClass(UnitLength);
