/**
 * The contract of an optimiser: how one weight moves, as a pure function.
 *
 * A rule keeps nothing. What it must remember of a weight from step to step is in the weight's slots, which the caller owns, so that
 * they can be saved and a run can be continued to the bit.
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { OptimizerName, OptimizerRecipe } from '../optimizer-recipe.js';
import { adafactor } from './adafactor.js';
import { adamw } from './adamw.js';
import { lion } from './lion.js';
import { sgd } from './sgd.js';

/** What an optimiser remembers of a weight, by name. The names of a weight's slots never change. */
export type Slots = Readonly<Record<string, tf.Tensor>>;

/** Settings of one update. */
export interface UpdateSettings {
  /** Learning rate of this step. */
  readonly rate: number;
  /** Number of this update, from 1. */
  readonly step: number;
  /** Takes the place of the rule's momentum (`beta1`) in this step; rules without momentum pass it over. */
  readonly momentum?: number | undefined;
}

/** How far a weight moves, and its slots after an update. */
export interface Updated {
  /** What is taken from the weight. */
  readonly move: tf.Tensor;
  readonly slots: Slots;
}

/** One optimiser. Its functions of tensors are called inside `tf.tidy`. */
export interface UpdateRule {
  /** Slots of a weight that was never updated. */
  slots(weight: tf.Tensor): Slots;
  /** The numbers of one update that are the same for every entry of every weight. As many for each update. */
  factors(settings: UpdateSettings): readonly number[];
  /**
   * One update. Disposes nothing.
   * @param factors scalars of what `factors` gives: tensors, so that a recorded update can be run with others
   */
  update(weight: tf.Tensor, slots: Slots, gradient: tf.Tensor, factors: readonly tf.Tensor[]): Updated;
}

/** The recipe of one optimiser. */
export type RecipeOf<Name extends OptimizerName> = Extract<OptimizerRecipe, { readonly name: Name }>;

const rules: { readonly [Name in OptimizerName]: (recipe: RecipeOf<Name>) => UpdateRule } = { adamw, sgd, lion, adafactor };

/** The rule that a recipe describes. */
export const updateRule = (recipe: OptimizerRecipe): UpdateRule => (rules[recipe.name] as (recipe: OptimizerRecipe) => UpdateRule)(recipe);
