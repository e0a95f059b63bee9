import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../common/random.js';
import { dropValues } from '../layers/drop-values.js';
import { multiplyRows, type LinearLayer } from './linear-layer.js';

/** Far below the length of any column of weights, so that a column of zeros stays one instead of becoming NaN. */
const shortest = 1e-12;

/** Length of each output's weights: kernel [..., out] -> [out]. */
function columnLengths(kernel: tf.Tensor): tf.Tensor {
  const columns = tf.reshape(kernel, [-1, kernel.shape.at(-1)!]);
  return tf.maximum(tf.sqrt(tf.sum(tf.square(columns), 0)), shortest);
}

/** Uniform numbers between plus and minus 1 / sqrt(inputs), which is what PEFT starts with. */
function kaimingUniform(shape: number[], random: Random): tf.Tensor {
  const bound = 1 / Math.sqrt(tf.util.sizeFromShape(shape.slice(0, -1)));
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => (random.next() * 2 - 1) * bound);
  return tf.tensor(values, shape, 'float32');
}

/** Makes a variable of a value and frees the value. */
function variableOf(make: () => tf.Tensor): tf.Variable {
  const value = tf.tidy(make);
  const variable = tf.variable(value);
  value.dispose();
  return variable;
}

/** The size of an update. */
export interface UpdateSize {
  readonly rank: number;
  /** The update is multiplied by alpha / rank. */
  readonly alpha: number;
  readonly dora: boolean;
}

/**
 * The learnt change of one layer: `(alpha / rank) A B` beside its kernel, and with DoRA the length of each output's weights.
 * @source Hu et al. 2021, https://arxiv.org/abs/2106.09685; Liu et al. 2024, https://arxiv.org/abs/2402.09353, section 4.3
 */
export class LowRankUpdate {
  /** A: [in, rank], or [height, width, in, rank] for a convolution. */
  readonly down: tf.Variable;
  /** B: [rank, out]. */
  readonly up: tf.Variable;
  /** DoRA's lengths: [out]. */
  readonly magnitude: tf.Variable | undefined;
  readonly #linear: LinearLayer;
  readonly #scale: number;

  /** @param random draws the start of A */
  constructor(linear: LinearLayer, { rank, alpha, dora }: UpdateSize, random: Random) {
    const shape = linear.kernel.shape as number[];
    this.#linear = linear;
    this.#scale = alpha / rank;
    this.down = variableOf(() => kaimingUniform([...shape.slice(0, -1), rank], random));
    this.up = variableOf(() => tf.zeros([rank, shape.at(-1)!]));
    this.magnitude = dora ? variableOf(() => columnLengths(linear.kernel.read())) : undefined;
  }

  /** All variables by the names they are saved under. */
  get variables(): readonly (readonly [name: string, variable: tf.Variable])[] {
    const magnitude = this.magnitude === undefined ? [] : [['magnitude', this.magnitude] as const];
    return [['lora_a', this.down], ['lora_b', this.up], ...magnitude];
  }

  /**
   * Adds the update to a layer's product. Call inside `tf.tidy`.
   * @param product the inputs times the kernel, without bias
   * @param dropout share of the inputs to drop and the seed of the mask, in training
   */
  adapt(product: tf.Tensor, inputs: tf.Tensor, dropout?: { readonly rate: number; readonly seed: number }): tf.Tensor {
    const seen = dropout === undefined ? inputs : dropValues(inputs, dropout.rate, dropout.seed);
    const narrow = tf.mul(this.#linear.multiply(seen, this.down), this.#scale); // [..., rank]
    const update = multiplyRows(narrow, this.up); // [..., out]
    if (this.magnitude === undefined) return tf.add(product, update);
    const factor = tf.div(this.magnitude, this.#constantLengths());
    if (dropout === undefined) return tf.mul(tf.add(product, update), factor);
    // With dropout the change of length, too, sees what is left of the inputs; the frozen product sees all of them.
    const left = this.#linear.multiply(seen, this.#linear.kernel.read());
    return tf.add(tf.sub(product, left), tf.mul(tf.add(left, update), factor));
  }

  /** The layer's kernel with the update in it; the caller disposes it. */
  mergedKernel(): tf.Tensor {
    return tf.tidy(() => {
      const changed = this.#changedKernel();
      if (this.magnitude === undefined) return changed;
      return tf.mul(changed, tf.div(this.magnitude, columnLengths(changed)));
    });
  }

  /** Kernel and update, before any change of lengths. */
  #changedKernel(): tf.Tensor {
    const kernel = this.#linear.kernel.read();
    return tf.add(kernel, tf.mul(multiplyRows(this.down, this.up), this.#scale));
  }

  /** The lengths of the changed weights. They take no part in the gradient, as DoRA and PEFT have it. */
  #constantLengths(): tf.Tensor {
    const lengths = tf.customGrad((kernel) => ({
      value: columnLengths(this.#changedKernel()),
      gradFunc: () => tf.zerosLike(kernel as tf.Tensor),
    }));
    return lengths(this.#linear.kernel.read());
  }

  dispose(): void {
    for (const [, variable] of this.variables) variable.dispose();
  }
}
