import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import type { StateVariable } from '../engines/engine.js';
import type { OptimizerRecipe } from './optimizer-recipe.js';
import { updateRule, type UpdateRule } from './optimizers/update-rule.js';
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
  const squares = gradients.map((gradient) => tf.tidy(() => tf.sum(tf.square(gradient))));
  return tf.sqrt(squares.reduce((sum, square) => tf.add(sum, square)));
}

/** A number of an update as a scalar tensor. */
type ScalarAt = (index: number) => tf.Tensor;

/** Scalars of known numbers, made where they are first used. Call inside `tf.tidy`. */
function scalarsOf(numbers: readonly number[]): ScalarAt {
  const made: tf.Tensor[] = [];
  return (index) => (made[index] ??= tf.scalar(numbers[index]!));
}

/** Scalars of a vector. Call inside `tf.tidy`. */
function scalarsIn(vector: tf.Tensor): ScalarAt {
  const made: tf.Tensor[] = [];
  return (index) => (made[index] ??= tf.reshape(tf.slice(vector, [index], [1]), []));
}

/**
 * Moves a set of weights by their gradients. It owns their slots.
 *
 * What depends on the step in numbers alone (`nextNumbers`) is apart from what is done with tensors (`move`, `gather`, `flushGathered`),
 * so that the latter can be recorded once and run with other numbers at every step.
 */
export class Optimizer {
  readonly #rule: UpdateRule;
  #step = 0;
  #pending = 0;
  readonly #slots = new Map<tf.Variable, Readonly<Record<string, tf.Variable>>>();
  /** Sums of gradients over the pending batches. */
  readonly #gathered = new Map<tf.Variable, tf.Variable>();
  /** Weights that a gradient reached. */
  readonly #reached = new Set<tf.Variable>();
  /** Where the numbers of each learning rate begin. */
  readonly #places: ReadonlyMap<number, number>;

  constructor(
    readonly weights: readonly LearningWeight[],
    readonly options: OptimizerOptions,
  ) {
    this.#rule = updateRule(options.recipe);
    const width = 1 + this.#rule.factors({ rate: 0, step: 1 }).length;
    const indices = [...new Set(weights.map(({ rateIndex }) => rateIndex))];
    this.#places = new Map(indices.map((rateIndex, order) => [rateIndex, order * width]));
  }

  /** Batches whose gradients are gathered and not yet applied. */
  get pending(): number {
    return this.#pending;
  }

  /** How many numbers `nextNumbers` gives. */
  get numbersPerUpdate(): number {
    return this.#places.size * this.#width + 1;
  }

  /** Makes the slots of weights that were never updated. */
  prepare(): void {
    for (const { variable } of this.weights) {
      if (!this.#slots.has(variable)) {
        const slots = tf.tidy(() => Object.entries(this.#rule.slots(variable)).map(([slot, tensor]) => [slot, tf.variable(tensor, false)]));
        this.#slots.set(variable, Object.fromEntries(slots) as Record<string, tf.Variable>);
      }
      if (this.options.accumulate > 1 && !this.#gathered.has(variable))
        this.#gathered.set(
          variable,
          tf.tidy(() => tf.variable(tf.zerosLike(variable), false)),
        );
    }
  }

  /** Everything beside the weights that an update reads and writes, by name. */
  stateVariables(): StateVariable[] {
    this.prepare();
    return this.weights.flatMap(({ name, variable }) => {
      const gathered = this.#gathered.get(variable);
      return [
        ...Object.entries(this.#slots.get(variable)!).map(([slot, kept]) => ({ name: `${name}/${slot}`, variable: kept })),
        ...(gathered === undefined ? [] : [{ name: `${name}/${pendingSlot}`, variable: gathered }]),
      ];
    });
  }

  /**
   * Takes the gradients of one batch. With `accumulate: n` every n-th call moves the weights, by the mean over n batches, clipped after
   * averaging. A weight without a gradient had no part in the loss and stays.
   * @param gradients by variable. Caller disposes
   * @returns whether the weights moved
   */
  apply(gradients: ReadonlyMap<tf.Variable, tf.Tensor>, rates: StepRates): boolean {
    this.prepare();
    if (this.options.accumulate === 1) {
      this.#moveBy(gradients, scalarsOf(this.nextNumbers(rates)));
      return true;
    }
    this.gather(gradients);
    this.countGathered();
    return this.#pending === this.options.accumulate && this.flush(rates);
  }

  /** Moves the weights by what is gathered, at the end of an epoch. @returns whether there was anything */
  flush(rates: StepRates): boolean {
    if (this.#pending === 0) return false;
    const numbers = this.nextNumbers(rates);
    tf.tidy(() => this.#flushBy(scalarsOf(numbers)));
    this.#pending = 0;
    return true;
  }

  /**
   * The numbers of the next update, which is counted by this: for each learning rate that weights have, and last the number of batches
   * whose gradients are averaged.
   */
  nextNumbers({ rates, decay, momentum }: StepRates): number[] {
    const step = ++this.#step;
    const perRate = [...this.#places.keys()].map((rateIndex) => {
      const rate = rates[rateIndex]!;
      return [1 - rate * decay, ...this.#rule.factors({ rate, step, momentum })];
    });
    return [...perRate.flat(), Math.max(1, this.#pending)];
  }

  /** Counts a batch whose gradients were gathered. */
  countGathered(): void {
    this.#pending++;
  }

  /** What was gathered has been applied. */
  forgetGathered(): void {
    this.#pending = 0;
  }

  /** Moves the weights, with the numbers of the update as a vector. Call inside `tf.tidy`. */
  move(gradients: ReadonlyMap<tf.Variable, tf.Tensor>, numbers: tf.Tensor): void {
    this.#moveBy(gradients, scalarsIn(numbers));
  }

  /** Adds gradients to those that are gathered. */
  gather(gradients: ReadonlyMap<tf.Variable, tf.Tensor>): void {
    for (const [variable, gradient] of gradients) {
      this.#reached.add(variable);
      const sum = this.#gathered.get(variable)!;
      tf.tidy(() => sum.assign(tf.add(sum, gradient)));
    }
  }

  /** Moves the weights by the mean of what is gathered, which is zero afterwards; with the numbers of the update as a vector. */
  flushGathered(numbers: tf.Tensor): void {
    this.#flushBy(scalarsIn(numbers));
  }

  #flushBy(scalarAt: ScalarAt): void {
    const count = scalarAt(this.#places.size * this.#width);
    const gathered = [...this.#gathered].filter(([variable]) => this.#reached.has(variable));
    this.#moveBy(new Map(gathered.map(([variable, sum]) => [variable, tf.div(sum, count)])), scalarAt);
    for (const [, sum] of gathered) tf.tidy(() => sum.assign(tf.zerosLike(sum)));
  }

  get #width(): number {
    return 1 + this.#rule.factors({ rate: 0, step: 1 }).length;
  }

  #moveBy(gradients: ReadonlyMap<tf.Variable, tf.Tensor>, scalarAt: ScalarAt): void {
    if (gradients.size === 0) return;
    tf.tidy(() => {
      const factor = this.#clipFactor([...gradients.values()]);
      const numbers = new Map([...this.#places].map(([rateIndex, place]) => [rateIndex, this.#numbersFrom(place, scalarAt)]));
      for (const weight of this.weights) {
        const gradient = gradients.get(weight.variable);
        if (gradient === undefined) continue;
        this.#reached.add(weight.variable);
        // What one weight needs is freed before the next: together it would be many times the weights.
        tf.tidy(() => this.#moveOne(weight, factor === undefined ? gradient : tf.mul(gradient, factor), numbers.get(weight.rateIndex)!));
      }
    });
  }

  #numbersFrom(place: number, scalarAt: ScalarAt): tf.Tensor[] {
    return Array.from({ length: this.#width }, (_, index) => scalarAt(place + index));
  }

  #clipFactor(gradients: readonly tf.Tensor[]): tf.Tensor | undefined {
    const { gradientClip } = this.options;
    return gradientClip === 0 ? undefined : tf.minimum(1, tf.div(gradientClip, tf.add(globalNorm(gradients), 1e-6)));
  }

  /** The weight itself shrinks where it decays, never the gradient. */
  #moveOne({ variable, decays }: LearningWeight, gradient: tf.Tensor, [shrink, ...factors]: readonly tf.Tensor[]): void {
    const slots = this.#slots.get(variable)!;
    const { move, slots: after } = this.#rule.update(variable, slots, gradient, factors);
    variable.assign(tf.sub(decays ? tf.mul(variable, shrink!) : variable, move));
    for (const [slot, kept] of Object.entries(slots)) kept.assign(after[slot]!);
  }

  /** What the next step depends on. The tensors stay the optimiser's: read them before its next step. */
  state(): OptimizerState {
    const tensors = new Map<string, tf.Tensor>();
    for (const { name, variable } of this.weights) {
      for (const [slot, tensor] of Object.entries(this.#slots.get(variable) ?? {})) tensors.set(`${name}/${slot}`, tensor);
      const gathered = this.#reached.has(variable) && this.#pending > 0 ? this.#gathered.get(variable) : undefined;
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
    this.dispose();
    this.prepare();
    this.#step = step;
    this.#pending = pending;
    for (const { name, variable } of this.weights) {
      for (const [slot, kept] of Object.entries(this.#slots.get(variable)!)) assignCopy(kept, tensors.get(`${name}/${slot}`));
      const gathered = tensors.get(`${name}/${pendingSlot}`);
      if (gathered === undefined) continue;
      this.#reached.add(variable);
      assignCopy(this.#gathered.get(variable)!, gathered);
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

  dispose(): void {
    for (const slots of this.#slots.values()) tf.dispose(Object.values(slots));
    tf.dispose([...this.#gathered.values()]);
    this.#slots.clear();
    this.#gathered.clear();
    this.#reached.clear();
    this.#pending = 0;
  }
}

/** Gives a variable the numbers of a tensor that stays its owner's; nothing where there is none. */
function assignCopy(variable: tf.Variable, tensor: tf.Tensor | undefined): void {
  if (tensor !== undefined) tf.tidy(() => variable.assign(tf.clone(tensor)));
}
