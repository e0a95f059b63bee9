import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import type { Shape } from '@tensorflow/tfjs-layers';
import { onlyInput } from './call-keywords.js';

/** Shares of red, green and blue in brightness. */
const shares = [0.299, 0.587, 0.114];

/**
 * Brightness of a picture: float32 [batch, height, width, 3], RGB, to [batch, height, width, 1]. A linear map, so the scale of
 * the pixels stays.
 * @source ITU-R BT.601, as PIL's mode "L" has it
 */
export class Greyscale extends layers.Layer {
  static readonly className = 'TransferKitGreyscale';

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return [...(inputShape as Shape).slice(0, -1), 1];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => tf.sum(tf.mul(onlyInput(inputs), tf.tensor1d(shares)), -1, true));
  }
}

tf.serialization.registerClass(Greyscale);
