import { createAdapter } from '../adapters/create-adapter.js';
import type { FreezeState } from '../base.js';
import { TransferKitError } from '../errors.js';
import { learningGroups } from '../layers/learning-groups.js';
import { chooseStrategy, type ChosenStrategy } from './choose-strategy.js';
import type { FineTuneOptions } from './options.js';
import type { AnyModel } from './weight-set.js';

/** A model that is ready to be trained, and nobody else's meanwhile; and how. */
export interface TrainingStart {
  readonly chosen: ChosenStrategy;
  /** Which groups learn where no strategy says otherwise, and how normalisation behaves. */
  readonly freeze: FreezeState;
  /** Puts everything back but the weights. */
  readonly undo: () => void;
}

/** Which groups learn in this run, and how normalisation behaves. */
function freezeFor(model: AnyModel, options: FineTuneOptions): FreezeState {
  const { freeze, parts } = model.base;
  const learns = options.unfreeze === undefined ? freeze.learns : learningGroups(options.unfreeze, parts.built.groups);
  return { learns, normalization: options.normalization ?? freeze.normalization };
}

/** Gives the model the adapter that was asked for; one of the same recipe that it has already learns on. */
function putAdapter(model: AnyModel, { adapter: recipe, seed }: FineTuneOptions): () => void {
  const before = model.adapter;
  if (recipe === undefined || JSON.stringify(recipe) === JSON.stringify(before?.recipe)) return () => undefined;
  const made = createAdapter(model.base, recipe, seed ?? 42);
  model.useAdapter(made);
  return () => {
    model.useAdapter(before);
    made.dispose();
  };
}

/**
 * Chooses the strategy, puts the adapter on and locks the model: two trainings would write the same weights.
 * @throws TransferKitError `bad-option` while it is being trained, or for options that do not fit the strategy; what `createAdapter`
 *   throws
 */
export function beginTraining(model: AnyModel, examples: number, options: FineTuneOptions): TrainingStart {
  const { base } = model;
  if (base.busy)
    throw new TransferKitError(
      'bad-option',
      'this model is being trained already, or another on the same base; wait for that run or abort it',
    );
  const before = base.freeze;
  const freeze = freezeFor(model, options);
  const takeAdapterOff = putAdapter(model, options);
  const undo = (): void => {
    base.busy = false;
    base.freeze = before;
    takeAdapterOff();
  };
  try {
    const solvable = (model.head.solvers ?? []).includes('logistic-regression');
    const chosen = chooseStrategy({ base, options, examples, solvable, adapter: model.adapter?.recipe, freeze });
    base.busy = true;
    return { chosen, freeze, undo };
  } catch (error) {
    undo();
    throw error;
  }
}
