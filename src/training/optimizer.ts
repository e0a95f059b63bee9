import * as tf from '@tensorflow/tfjs-core';
import { adamw, emptySlots, type AdamSlots } from './adamw.js';
import type { LearningWeight } from './weight-set.js';

/** Learning rates of one step. */
export interface StepRates {
  readonly head: number;
  readonly base: number;
}

/** Settings that hold for a whole run. */
export interface OptimizerOptions {
  readonly weightDecay: number;
  /** Largest length of the gradient over all weights; 0 for no limit. */
  readonly gradientClip: number;
}

/** Length of all gradients together, as a scalar tensor. Added one by one: a GPU takes a few tensors at a time only. */
function globalNorm(gradients: readonly tf.Tensor[]): tf.Tensor {
  const squares = gradients.map((gradient) => tf.sum(tf.square(gradient)));
  return tf.sqrt(squares.reduce((sum, square) => tf.add(sum, square)));
}

/** AdamW over a set of weights. It owns its slots. */
export class Optimizer {
  #step = 0;
  readonly #slots = new Map<tf.Variable, AdamSlots>();

  constructor(
    readonly weights: readonly LearningWeight[],
    readonly options: OptimizerOptions,
  ) {}

  /** Moves every weight once. A weight without a gradient had no part in the loss and stays. */
  apply(gradients: ReadonlyMap<tf.Variable, tf.Tensor>, rates: StepRates): void {
    this.#step++;
    tf.tidy(() => {
      const factor = this.#clipFactor([...gradients.values()]);
      for (const weight of this.weights) {
        const gradient = gradients.get(weight.variable);
        if (gradient !== undefined) this.#move(weight, factor === undefined ? gradient : tf.mul(gradient, factor), rates);
      }
    });
  }

  #clipFactor(gradients: readonly tf.Tensor[]): tf.Tensor | undefined {
    const { gradientClip } = this.options;
    return gradientClip === 0 ? undefined : tf.minimum(1, tf.div(gradientClip, tf.add(globalNorm(gradients), 1e-6)));
  }

  #move({ variable, part, decays }: LearningWeight, gradient: tf.Tensor, rates: StepRates): void {
    const before = this.#slots.get(variable) ?? emptySlots(variable);
    const settings = { rate: rates[part], decay: decays ? this.options.weightDecay : 0, step: this.#step };
    const after = adamw(variable, before, gradient, settings);
    variable.assign(after.weight);
    tf.dispose([before.mean, before.square]);
    this.#slots.set(variable, { mean: tf.keep(after.slots.mean), square: tf.keep(after.slots.square) });
  }

  dispose(): void {
    for (const { mean, square } of this.#slots.values()) tf.dispose([mean, square]);
    this.#slots.clear();
  }
}
