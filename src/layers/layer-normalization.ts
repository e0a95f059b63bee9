import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import type { LayerVariable, Shape } from '@tensorflow/tfjs-layers';
import { onlyInput } from './call-keywords.js';
import type { SaveForGradient } from './call-keywords.js';

/** Settings of `LayerNormalization`. */
export interface LayerNormalizationArguments {
  readonly name: string;
  /** Added to the variance before the square root is taken. */
  readonly epsilon: number;
}

/**
 * (x - mean) / sqrt(variance + epsilon) over the last axis, with the biased variance.
 * The gradient is written out: what tfjs derives from the parts needs three times as many passes over the data.
 */
function standardise(values: tf.Tensor, epsilon: number): tf.Tensor {
  const operation = tf.customGrad((input, save) => {
    const centred = tf.sub(input as tf.Tensor, tf.mean(input as tf.Tensor, -1, true));
    const variance = tf.mean(tf.square(centred), -1, true);
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const standard = tf.mul(centred, inverse);
    (save as SaveForGradient)([standard, inverse]);
    return {
      value: standard,
      gradFunc: (upstream: tf.Tensor, [saved, scale]: tf.Tensor[]) => {
        const along = tf.mul(saved!, tf.mean(tf.mul(upstream, saved!), -1, true));
        return tf.mul(scale!, tf.sub(tf.sub(upstream, tf.mean(upstream, -1, true)), along));
      },
    };
  });
  return operation(values);
}

/**
 * Layer normalisation over the last axis, with the numbers of PyTorch's `LayerNorm`.
 * Weights: `gamma` and `beta`, float32 [features].
 *
 * @source Ba et al. 2016, "Layer normalization"
 */
export class LayerNormalization extends layers.Layer {
  static readonly className = 'TransferKitLayerNormalization';
  readonly epsilon: number;
  #gamma!: LayerVariable;
  #beta!: LayerVariable;

  constructor(options: LayerNormalizationArguments) {
    super({ name: options.name });
    this.epsilon = options.epsilon;
  }

  override build(inputShape: Shape | Shape[]): void {
    const features = (inputShape as Shape).at(-1)!;
    this.#gamma = this.addWeight('gamma', [features], 'float32', initializers.ones());
    this.#beta = this.addWeight('beta', [features], 'float32', initializers.zeros());
    this.built = true;
  }

  /** `inputs`: float32 [..., features]. */
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => tf.add(tf.mul(standardise(onlyInput(inputs), this.epsilon), this.#gamma.read()), this.#beta.read()));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), epsilon: this.epsilon };
  }
}

tf.serialization.registerClass(LayerNormalization);
