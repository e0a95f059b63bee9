import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import type { Shape } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../errors.js';
import { nextSeed } from './call-keywords.js';
import type { CallKeywords } from './call-keywords.js';
import { dropValues } from './drop-values.js';

/** Far below any score, and far from the end of float32, so that sums stay finite. */
const hidden = -1e9;

/** Settings of `MultiHeadAttention`. */
export interface MultiHeadAttentionArguments {
  readonly name: string;
  readonly heads: number;
  /** Share of the attention weights that is dropped in training. */
  readonly dropout: number;
}

/**
 * Scaled dot-product attention of several heads, without the projections before and after it.
 *
 * Inputs, in this order: query, key, value, each float32 [batch, tokens, features]; mask int32 or float32 [batch, tokens],
 * 1 for a token and 0 for padding. Output: float32 [batch, tokens, features].
 *
 * It takes the plain mask and not an additive one, because what is padded later with zeros then reads as padding.
 *
 * @source Vaswani et al. 2017, "Attention is all you need"
 */
export class MultiHeadAttention extends layers.Layer {
  static readonly className = 'TransferKitMultiHeadAttention';
  readonly heads: number;
  readonly dropout: number;

  constructor(options: MultiHeadAttentionArguments) {
    super({ name: options.name });
    this.heads = options.heads;
    this.dropout = options.dropout;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], keywords: CallKeywords): tf.Tensor {
    const [query, key, value, mask] = inputs as tf.Tensor[];
    return tf.tidy(() => {
      const weights = this.#weights(query!, key!, mask!, keywords);
      const mixed = tf.matMul(weights, this.#split(value!, [0, 2, 1, 3])); // [batch, heads, tokens, size]
      return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), query!.shape);
    });
  }

  /** Attention weights: float32 [batch, heads, tokens, tokens], each row adding up to 1. */
  #weights(query: tf.Tensor, key: tf.Tensor, mask: tf.Tensor, keywords: CallKeywords): tf.Tensor {
    const size = query.shape.at(-1)! / this.heads;
    const scaled = tf.mul(this.#split(query, [0, 2, 1, 3]), 1 / Math.sqrt(size));
    // The key is turned while its heads are split: one pass, and no transposed product, which is slow on some backends.
    const scores = tf.matMul(scaled, this.#split(key, [0, 2, 3, 1]));
    const penalty = tf.mul(tf.sub(1, tf.cast(mask, 'float32')), hidden);
    const weights = tf.softmax(tf.add(scores, tf.reshape(penalty, [mask.shape[0], 1, 1, mask.shape[1]!])));
    const drops = keywords.training === true && this.dropout > 0;
    return drops ? dropValues(weights, this.dropout, nextSeed(this.name, keywords)) : weights;
  }

  /** [batch, tokens, features] -> [batch, tokens, heads, size], its axes then in the given order. */
  #split(values: tf.Tensor, order: number[]): tf.Tensor {
    const [batch, tokens, features] = values.shape as [number, number, number];
    return tf.transpose(tf.reshape(values, [batch, tokens, this.heads, features / this.heads]), order);
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const shape = (inputShape as Shape[])[0]!;
    if (Number.isInteger(shape.at(-1)! / this.heads)) return shape;
    throw new TransferKitError(
      'bad-config',
      `${shape.at(-1)} features cannot be shared among ${this.heads} attention heads.\n  Expected: a number of heads that divides them\n  Fix: use the configuration that was published with the weights.`,
    );
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), heads: this.heads, dropout: this.dropout };
  }
}

tf.serialization.registerClass(MultiHeadAttention);
