import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import type { Shape } from '@tensorflow/tfjs-layers';
import { unknownName } from '../common/nearest-name.js';

/** How the vectors of a text's tokens become one: their mean, the first, or the largest value of each feature. */
export type PoolingMode = 'mean' | 'cls' | 'max';

/** Settings of `TokenPooling`. */
export interface TokenPoolingArguments {
  readonly name: string;
  readonly mode: PoolingMode;
}

type Pool = (sequence: tf.Tensor, mask: tf.Tensor) => tf.Tensor;

/** Below every feature, so that padding never is the largest. */
const lowest = -1e9;

const pools: Readonly<Record<PoolingMode, Pool>> = {
  // The smallest divisor keeps the mean of nothing at 0.
  mean: (sequence, mask) => tf.div(tf.sum(tf.mul(sequence, mask), 1), tf.maximum(tf.sum(mask, 1), 1e-9)),
  cls: (sequence) => tf.squeeze(tf.slice(sequence, [0, 0, 0], [-1, 1, -1]), [1]),
  max: (sequence, mask) => tf.max(tf.add(tf.mul(sequence, mask), tf.mul(tf.sub(1, mask), lowest)), 1),
};

/** The same where every token counts. */
const unmasked: Readonly<Record<PoolingMode, (sequence: tf.Tensor) => tf.Tensor>> = {
  mean: (sequence) => tf.mean(sequence, 1),
  cls: (sequence) => tf.squeeze(tf.slice(sequence, [0, 0, 0], [-1, 1, -1]), [1]),
  max: (sequence) => tf.max(sequence, 1),
};

/**
 * One vector for a text. Inputs, in this order: sequence float32 [batch, tokens, features], mask int32 or float32
 * [batch, tokens]. Output: float32 [batch, features]. Padding never counts; a text without tokens has the mean 0. Without a mask, as for
 * the patches of a photo, every token counts.
 */
export class TokenPooling extends layers.Layer {
  static readonly className = 'TransferKitTokenPooling';
  readonly mode: PoolingMode;

  constructor(options: TokenPoolingArguments) {
    super({ name: options.name });
    if (!Object.hasOwn(pools, options.mode)) throw unknownName('pooling', options.mode, Object.keys(pools));
    this.mode = options.mode;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [sequence, mask] = Array.isArray(inputs) ? inputs : [inputs];
    if (mask === undefined) return tf.tidy(() => unmasked[this.mode](sequence!));
    // [batch, tokens] -> [batch, tokens, 1], to stretch over the features
    return tf.tidy(() => pools[this.mode](sequence!, tf.expandDims(tf.cast(mask, 'float32'), 2)));
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const [first] = inputShape;
    const [batch, , features] = Array.isArray(first) ? first : (inputShape as Shape);
    return [batch!, features!];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), mode: this.mode };
  }
}

tf.serialization.registerClass(TokenPooling);
