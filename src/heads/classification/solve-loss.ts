import * as tf from '@tensorflow/tfjs-core';
import { minimize, type Minimum } from '../../solving/lbfgs.js';
import type { Evaluation } from '../../solving/line-search.js';
import type { SolveExamples } from './solve.js';

/**
 * Mean cross-entropy of a linear classifier with an L2 penalty, and its gradient, on the active backend. Products are float32,
 * sums over examples and parameters float64. The bias is the last row of the weights: features get a column of ones.
 */
export class LogisticLoss {
  /** Weights: [features + 1, classes] */
  readonly shape: [rows: number, classes: number];
  readonly #features: tf.Tensor2D;
  /** A copy that is turned over: on wasm a product with a transposed operand costs several times as much. */
  readonly #turned: tf.Tensor2D;
  readonly #targets: tf.Tensor2D;
  /** [examples, 1]: the share of each example in the mean */
  readonly #shares: tf.Tensor2D;
  readonly #total: number;
  readonly #rowShares: Float64Array;

  constructor({ features, targets, weights, count }: SolveExamples) {
    const [examples, width] = features.shape;
    this.shape = [width + 1, count];
    this.#total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#rowShares = Float64Array.from(weights, (weight) => weight / this.#total);
    this.#features = tf.tidy(() => tf.concat<tf.Tensor2D>([features, tf.ones([examples, 1])], 1));
    this.#turned = tf.transpose(this.#features);
    this.#targets = tf.tensor2d(targets, [examples, count]);
    this.#shares = tf.tensor2d(Float32Array.from(this.#rowShares), [examples, 1]);
  }

  /** Weighted mean of the cross-entropy, without the penalty. */
  async loss(point: Float64Array): Promise<number> {
    const losses = tf.tidy(() => this.#losses(this.#logProbabilities(point)));
    return this.#mean(losses);
  }

  /**
   * Value and gradient with the penalty.
   * @param strength inverse of the penalty on the summed loss, as scikit-learn's C
   */
  async evaluate(point: Float64Array, strength: number): Promise<Evaluation> {
    const [losses, slope] = tf.tidy((): [tf.Tensor1D, tf.Tensor] => {
      const logProbabilities = this.#logProbabilities(point);
      const residual = tf.mul<tf.Tensor2D>(tf.sub(tf.exp(logProbabilities), this.#targets), this.#shares);
      return [this.#losses(logProbabilities), tf.matMul(this.#turned, residual)];
    });
    const gradient = Float64Array.from(await slope.data());
    slope.dispose();
    return { value: (await this.#mean(losses)) + this.#penalize(point, gradient, strength), gradient };
  }

  /** Adds the penalty's slope to the gradient, and gives its value. The bias goes free. */
  #penalize(point: Float64Array, gradient: Float64Array, strength: number): number {
    // scikit-learn fits two classes with one vector, the difference of ours: the same penalty is twice as strong on the two halves.
    const penalty = (this.shape[1] === 2 ? 2 : 1) / (strength * this.#total);
    let squares = 0;
    for (let index = 0; index < point.length - this.shape[1]; index++) {
      squares += point[index]! ** 2;
      gradient[index]! += penalty * point[index]!;
    }
    return (penalty / 2) * squares;
  }

  /** [examples, classes] */
  #logProbabilities(point: Float64Array): tf.Tensor2D {
    const weights = tf.tensor2d(Float32Array.from(point), this.shape);
    return tf.logSoftmax(tf.matMul<tf.Tensor2D>(this.#features, weights));
  }

  /** [examples] */
  #losses(logProbabilities: tf.Tensor2D): tf.Tensor1D {
    return tf.neg(tf.sum<tf.Tensor1D>(tf.mul(this.#targets, logProbabilities), 1));
  }

  async #mean(losses: tf.Tensor1D): Promise<number> {
    const values = await losses.data();
    losses.dispose();
    let mean = 0;
    for (let index = 0; index < values.length; index++) mean += this.#rowShares[index]! * values[index]!;
    return mean;
  }

  dispose(): void {
    tf.dispose([this.#features, this.#turned, this.#targets, this.#shares]);
  }
}

/** Minimises the penalised loss from a start. */
export function fitAt(
  loss: LogisticLoss,
  strength: number,
  start: Float64Array,
  options: { readonly tolerance: number; readonly signal?: AbortSignal | undefined },
): Promise<Minimum> {
  const { signal } = options;
  return minimize((point) => loss.evaluate(point, strength), start, {
    tolerance: options.tolerance,
    ...(signal === undefined ? {} : { signal }),
  });
}
