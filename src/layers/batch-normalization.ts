import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import type { LayerVariable, Shape } from '@tensorflow/tfjs-layers';
import { onlyInput } from './call-keywords.js';
import type { CallKeywords, SaveForGradient } from './call-keywords.js';

/** Settings of `BatchNormalization`. */
export interface BatchNormalizationArguments {
  readonly name: string;
  /** Added to the variance before the square root is taken. */
  readonly epsilon: number;
  /** Share of the old moving statistics that stays at each training step (Keras's meaning: near 1). */
  readonly momentum?: number;
  /** Whether there is a learned shift `beta`. Default true. */
  readonly center?: boolean;
  /** Whether there is a learned factor `gamma`. Default true. */
  readonly scale?: boolean;
}

/** All axes but the last, over which the statistics of a batch are taken. */
const leadingAxes = ({ shape }: tf.Tensor): number[] => shape.slice(0, -1).map((_, axis) => axis);

const channelSum = (values: tf.Tensor): tf.Tensor => tf.sum(values, leadingAxes(values));

/** One by the number of values of a channel. */
const shareOf = ({ shape, size }: tf.Tensor): number => shape.at(-1)! / size;

type Observer = (mean: tf.Tensor, variance: tf.Tensor) => void;

/** The share of each channel's gradient that mean and variance of the batch take away from the input's gradient. */
function inputGradient(
  upstream: tf.Tensor,
  standard: tf.Tensor,
  factor: tf.Tensor,
  sums: { beta: tf.Tensor; gamma: tf.Tensor },
): tf.Tensor {
  const share = shareOf(upstream);
  const along = tf.add(tf.mul(standard, tf.mul(sums.gamma, share)), tf.mul(sums.beta, share));
  return tf.mul(tf.sub(upstream, along), factor);
}

/**
 * Normalises the channels, on the last axis, by their own mean and biased variance; the gradient is written out.
 * @param observe is told the statistics; they are released afterwards
 */
function normalizeByBatch(values: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: number, observe: Observer): tf.Tensor {
  const operation = tf.customGrad((...given) => {
    const [input, factor, shift, save] = given as unknown as [tf.Tensor, tf.Tensor1D, tf.Tensor1D, SaveForGradient];
    const share = shareOf(input);
    const mean = tf.mul(channelSum(input), share);
    const centred = tf.sub(input, mean);
    const variance = tf.mul(channelSum(tf.square(centred)), share);
    observe(mean, variance);
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const standard = tf.mul(centred, inverse);
    save([standard, tf.mul(factor, inverse)]);
    return {
      value: tf.add(tf.mul(standard, factor), shift),
      gradFunc: (upstream: tf.Tensor, [saved, slope]: tf.Tensor[]) => {
        const sums = { beta: channelSum(upstream), gamma: channelSum(tf.mul(upstream, saved!)) };
        return [inputGradient(upstream, saved!, slope!, sums), sums.gamma, sums.beta];
      },
    };
  });
  return operation(values, gamma, beta);
}

/**
 * Batch normalisation over the last axis.
 *
 * In inference it is one multiplication and one addition with the moving statistics; in training the statistics of the batch
 * are used, and the moving ones follow by `momentum` (with the biased variance, as Keras does). tfjs's own layer crashes in
 * training without `scale` or `center`, and takes four times as long in inference and ten times in its gradient.
 * Weights: `gamma`, `beta` (learned), `moving_mean`, `moving_variance` (not), float32 [channels] each.
 *
 * @source Ioffe and Szegedy 2015, "Batch normalization"
 */
export class BatchNormalization extends layers.Layer {
  static readonly className = 'TransferKitBatchNormalization';
  readonly epsilon: number;
  readonly momentum: number;
  readonly center: boolean;
  readonly scale: boolean;
  #gamma: LayerVariable | undefined;
  #beta: LayerVariable | undefined;
  #mean!: LayerVariable;
  #variance!: LayerVariable;

  constructor(options: BatchNormalizationArguments) {
    super({ name: options.name });
    this.epsilon = options.epsilon;
    this.momentum = options.momentum ?? 0.99;
    this.center = options.center ?? true;
    this.scale = options.scale ?? true;
  }

  override build(inputShape: Shape | Shape[]): void {
    const shape = [(inputShape as Shape).at(-1)!];
    if (this.scale) this.#gamma = this.addWeight('gamma', shape, 'float32', initializers.ones());
    if (this.center) this.#beta = this.addWeight('beta', shape, 'float32', initializers.zeros());
    this.#mean = this.addWeight('moving_mean', shape, 'float32', initializers.zeros(), undefined, false);
    this.#variance = this.addWeight('moving_variance', shape, 'float32', initializers.ones(), undefined, false);
    this.built = true;
  }

  /** `inputs`: float32 [batch, ..., channels]. */
  override call(inputs: tf.Tensor | tf.Tensor[], keywords: CallKeywords): tf.Tensor {
    return tf.tidy(() => (keywords.training === true ? this.#byBatch(onlyInput(inputs)) : this.#byMovingStatistics(onlyInput(inputs))));
  }

  /**
   * The normalisation by moving statistics as a product and a sum: y = x * factor + shift, float32 [channels] each. Caller disposes.
   */
  affine(): { factor: tf.Tensor; shift: tf.Tensor } {
    const inverse = tf.rsqrt(tf.add(this.#variance.read(), this.epsilon));
    const factor = this.#gamma === undefined ? inverse : tf.mul(this.#gamma.read(), inverse);
    const pulled = tf.mul(this.#mean.read(), factor);
    return { factor, shift: this.#beta === undefined ? tf.neg(pulled) : tf.sub(this.#beta.read(), pulled) };
  }

  #byMovingStatistics(values: tf.Tensor): tf.Tensor {
    const { factor, shift } = this.affine();
    return tf.add(tf.mul(values, factor), shift);
  }

  #byBatch(values: tf.Tensor): tf.Tensor {
    const channels = values.shape.at(-1)!;
    const gamma = this.#gamma?.read() ?? tf.ones([channels]);
    const beta = this.#beta?.read() ?? tf.zeros([channels]);
    return normalizeByBatch(values, gamma, beta, this.epsilon, (mean, variance) => {
      this.#follow(this.#mean, mean);
      this.#follow(this.#variance, variance);
    });
  }

  #follow(moving: LayerVariable, observed: tf.Tensor): void {
    moving.write(tf.add(tf.mul(moving.read(), this.momentum), tf.mul(observed, 1 - this.momentum)));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), epsilon: this.epsilon, momentum: this.momentum, center: this.center, scale: this.scale };
  }
}

tf.serialization.registerClass(BatchNormalization);
