import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import type { OptimizerRecipe } from './optimizer-recipe.js';
import { updateRule, type Slots, type UpdateRule } from './optimizers/update-rule.js';
import type { LearningWeight } from './weight-set.js';

/** What one step moves the weights by. */
export interface StepRates {
  /** Absolute learning rates; a weight takes the one at its `rateIndex`. */
  readonly rates: readonly number[];
  /** Decoupled decay of the weights that decay. */
  readonly decay: number;
  /** Takes the place of the optimiser's momentum, for schedules that move it. */
  readonly momentum?: number;
}

/** Settings that hold for a whole run. */
export interface OptimizerOptions {
  readonly recipe: OptimizerRecipe;
  /** Largest length of the gradient over all weights; 0 for no limit. */
  readonly gradientClip: number;
  /** Batches whose gradients are averaged before the weights move. */
  readonly accumulate: number;
}

/** Everything that the next step depends on beside the weights. */
export interface OptimizerState {
  /** How often the weights have moved. */
  readonly step: number;
  /** Batches whose gradients are gathered and not yet applied. */
  readonly pending: number;
  /** Slots as `<weight>/<slot>`, gathered gradients as `<weight>/pending`. */
  readonly tensors: ReadonlyMap<string, tf.Tensor>;
}

const pendingSlot = 'pending';

/** Length of all gradients together, as a scalar tensor. Added one by one: a GPU takes a few tensors at a time only. */
function globalNorm(gradients: readonly tf.Tensor[]): tf.Tensor {
  const squares = gradients.map((gradient) => tf.sum(tf.square(gradient)));
  return tf.sqrt(squares.reduce((sum, square) => tf.add(sum, square)));
}

/** Moves a set of weights by their gradients. It owns their slots. */
export class Optimizer {
  readonly #rule: UpdateRule;
  #step = 0;
  #pending = 0;
  readonly #slots = new Map<tf.Variable, Slots>();
  /** Sums of gradients over the pending batches. */
  readonly #gathered = new Map<tf.Variable, tf.Tensor>();

  constructor(
    readonly weights: readonly LearningWeight[],
    readonly options: OptimizerOptions,
  ) {
    this.#rule = updateRule(options.recipe);
  }

  /**
   * Takes the gradients of one batch. With `accumulate: n` every n-th call moves the weights, by the mean over n batches, clipped after
   * averaging. A weight without a gradient had no part in the loss and stays.
   * @param gradients by variable. Caller disposes
   * @returns whether the weights moved
   */
  apply(gradients: ReadonlyMap<tf.Variable, tf.Tensor>, rates: StepRates): boolean {
    if (this.options.accumulate === 1) {
      this.#moveAll(gradients, rates);
      return true;
    }
    this.#gather(gradients);
    return this.#pending === this.options.accumulate && this.flush(rates);
  }

  /** Moves the weights by what is gathered, at the end of an epoch. @returns whether there was anything */
  flush(rates: StepRates): boolean {
    const count = this.#pending;
    if (count === 0) return false;
    tf.tidy(() => {
      this.#moveAll(new Map([...this.#gathered].map(([variable, sum]) => [variable, tf.div(sum, count)])), rates);
    });
    this.#forgetGathered();
    return true;
  }

  #gather(gradients: ReadonlyMap<tf.Variable, tf.Tensor>): void {
    for (const [variable, gradient] of gradients) {
      const before = this.#gathered.get(variable);
      this.#gathered.set(variable, tf.keep(before === undefined ? tf.clone(gradient) : tf.add(before, gradient)));
      before?.dispose();
    }
    this.#pending++;
  }

  #moveAll(gradients: ReadonlyMap<tf.Variable, tf.Tensor>, rates: StepRates): void {
    this.#step++;
    if (gradients.size === 0) return;
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

  #move({ variable, rateIndex, decays }: LearningWeight, gradient: tf.Tensor, { rates, decay, momentum }: StepRates): void {
    const before = this.#slots.get(variable) ?? this.#rule.slots(variable);
    const settings = { rate: rates[rateIndex]!, decay: decays ? decay : 0, step: this.#step, momentum };
    const after = this.#rule.update(variable, before, gradient, settings);
    variable.assign(after.weight);
    Object.values(after.slots).forEach((slot) => tf.keep(slot));
    this.#slots.set(variable, after.slots);
    tf.dispose(Object.values(before));
  }

  /** What the next step depends on. The tensors stay the optimiser's: read them before its next step. */
  state(): OptimizerState {
    const tensors = new Map<string, tf.Tensor>();
    for (const { name, variable } of this.weights) {
      for (const [slot, tensor] of Object.entries(this.#slots.get(variable) ?? {})) tensors.set(`${name}/${slot}`, tensor);
      const gathered = this.#gathered.get(variable);
      if (gathered !== undefined) tensors.set(`${name}/${pendingSlot}`, gathered);
    }
    return { step: this.#step, pending: this.#pending, tensors };
  }

  /**
   * Goes on where a state was taken: the next steps are the same to the bit. Tensors are copied; the caller's stay his.
   * @throws TransferKitError `weight-mismatch` when the state is of other weights or of another optimiser; then nothing has changed
   */
  restore({ step, pending, tensors }: OptimizerState): void {
    const mismatches = this.#mismatches(tensors);
    if (mismatches.length > 0)
      throw new TransferKitError(
        'weight-mismatch',
        `the state of the optimiser is not one of "${this.options.recipe.name}" on these ${this.weights.length} weights.\n` +
          mismatches.map((line) => `  ${line}\n`).join('') +
          '  Fix: continue with the optimiser, the layers and the accumulation that the state was taken with.',
        { details: { mismatches } },
      );
    const copies = new Map([...tensors].map(([name, tensor]) => [name, tf.keep(tf.clone(tensor))]));
    this.dispose();
    this.#step = step;
    this.#pending = pending;
    for (const { name, variable } of this.weights) {
      const slots = this.#slotShapes(variable).flatMap(([slot]) => named(slot, copies.get(`${name}/${slot}`)));
      if (slots.length > 0) this.#slots.set(variable, Object.fromEntries(slots));
      const gathered = copies.get(`${name}/${pendingSlot}`);
      if (gathered !== undefined) this.#gathered.set(variable, gathered);
    }
  }

  /** Names and shapes of a weight's slots. */
  #slotShapes(variable: tf.Variable): (readonly [string, readonly number[]])[] {
    return tf.tidy(() => Object.entries(this.#rule.slots(variable)).map(([slot, { shape }]) => [slot, shape] as const));
  }

  /** What does not fit, a line each: unknown tensors, wrong shapes, weights with some of their slots only. */
  #mismatches(tensors: OptimizerState['tensors']): string[] {
    const expected = new Map<string, readonly number[]>();
    const lines: string[] = [];
    for (const { name, variable } of this.weights) {
      const slots = this.#slotShapes(variable);
      const missing = slots.filter(([slot]) => !tensors.has(`${name}/${slot}`));
      if (missing.length < slots.length) lines.push(...missing.map(([slot]) => `${name}/${slot}  missing`));
      for (const [slot, shape] of [...slots, [pendingSlot, variable.shape] as const]) expected.set(`${name}/${slot}`, shape);
    }
    for (const [name, { shape }] of tensors) {
      const wanted = expected.get(name);
      if (wanted === undefined) lines.push(`${name}  unknown`);
      else if (!tf.util.arraysEqual([...wanted], shape))
        lines.push(`${name}  expected [${wanted.join(',')}]  received [${shape.join(',')}]`);
    }
    return lines;
  }

  #forgetGathered(): void {
    tf.dispose([...this.#gathered.values()]);
    this.#gathered.clear();
    this.#pending = 0;
  }

  dispose(): void {
    for (const slots of this.#slots.values()) tf.dispose(Object.values(slots));
    this.#slots.clear();
    this.#forgetGathered();
  }
}

/** A slot with its name, or nothing where there is none. */
const named = (slot: string, tensor: tf.Tensor | undefined): (readonly [string, tf.Tensor])[] =>
  tensor === undefined ? [] : [[slot, tensor]];
