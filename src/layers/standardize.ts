import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import type { LayerVariable, Shape } from '@tensorflow/tfjs-layers';
import { onlyInput } from './call-keywords.js';

/** A feature that varies less than this part of the average one is taken for constant: dividing by its spread would blow up noise. */
const negligible = 1e-3;

/** Scale per feature that brings the spread to 1; constant features are scaled as the average feature is. */
function scaleOf(variance: tf.Tensor): tf.Tensor {
  const spread = tf.sqrt(variance);
  const average = tf.mean(spread);
  const usable = tf.where(tf.less(spread, tf.mul(average, negligible)), tf.mul(tf.onesLike(spread), average), spread);
  return tf.divNoNan(1, usable);
}

/**
 * Subtracts a fixed mean and multiplies by a fixed scale, per feature (the last axis): y = (x - mean) * scale.
 *
 * Both are weights that are saved and never trained: 0 and 1 at first, set once by `adapt` from the features of the training
 * examples. A head behind it learns at one rate whatever the size of a backbone's features.
 */
export class Standardize extends layers.Layer {
  static readonly className = 'TransferKitStandardize';
  #mean!: LayerVariable;
  #scale!: LayerVariable;

  override build(inputShape: Shape | Shape[]): void {
    const features = (inputShape as Shape).at(-1)!;
    this.#mean = this.addWeight('mean', [features], 'float32', initializers.zeros(), undefined, false);
    this.#scale = this.addWeight('scale', [features], 'float32', initializers.ones(), undefined, false);
    this.built = true;
  }

  /** `inputs`: float32 [..., features]. */
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => tf.mul(tf.sub(onlyInput(inputs), this.#mean.read()), this.#scale.read()));
  }

  /**
   * Takes mean and scale from examples. A layer that was adapted before keeps what it has: what was learnt behind it counts on it.
   * @param features float32 [examples, ..., features]
   */
  adapt(features: tf.Tensor): void {
    tf.tidy(() => {
      const axes = Array.from({ length: features.rank - 1 }, (_, axis) => axis);
      const { mean, variance } = tf.moments(features, axes);
      const scale = scaleOf(variance);
      const [oldMean, oldScale] = [this.#mean.read(), this.#scale.read()];
      const fresh = tf.logicalAnd(tf.all(tf.equal(oldMean, 0)), tf.all(tf.equal(oldScale, 1)));
      const isFresh = tf.broadcastTo(fresh, oldMean.shape);
      // Where all features are constant (one example, say) there is no spread to divide by.
      const usableScale = tf.where(tf.equal(scale, 0), tf.onesLike(scale), scale);
      this.#mean.write(tf.where(isFresh, mean, oldMean));
      this.#scale.write(tf.where(isFresh, usableScale, oldScale));
    });
  }
}

tf.serialization.registerClass(Standardize);
