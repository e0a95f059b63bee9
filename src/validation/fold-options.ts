import { TransferKitError } from '../errors.js';
import type { Modality } from '../inputs/input.js';
import type { FineTuneOptions } from '../training/options.js';

/** Told after each fold. */
export interface FoldEvent {
  /** From 1. */
  readonly repeat: number;
  /** From 1, within its repeat. */
  readonly fold: number;
  readonly done: number;
  readonly total: number;
  /** Headline figures on the examples of this fold. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Options of `crossValidate` beside those of `fineTune`. */
export interface FoldOptions {
  /** Parts that the examples are dealt into. Default 5; never more than the rarest label has examples. */
  readonly folds?: number;
  /** How often they are dealt anew. Default 1. */
  readonly repeats?: number;
  readonly onFold?: (event: FoldEvent) => void;
}

/** Options of `crossValidate`: those of `fineTune`, but for what belongs to a single run. */
export type CrossValidateOptions<M extends Modality = Modality, Target = unknown> = FoldOptions &
  Omit<FineTuneOptions<M, Target>, 'checkpoint' | 'log' | 'control'>;

/** Names of the options that `fineTune` does not know. */
export const foldOptionNames = ['folds', 'repeats', 'onFold'] as const;

const ofOneRun = ['checkpoint', 'log', 'control'];

/** @throws TransferKitError `bad-option`; what is wrong with the other options `fineTune` says */
export function checkFoldOptions(options: FoldOptions): void {
  const least = { folds: 2, repeats: 1 } as const;
  for (const name of ['folds', 'repeats'] as const) {
    const value = options[name];
    if (value === undefined || (Number.isInteger(value) && value >= least[name])) continue;
    throw new TransferKitError(
      'bad-option',
      `${name} of crossValidate must be a whole number from ${least[name]} on.\n  Received: ${String(value)}`,
      {
        details: { option: name },
      },
    );
  }
  const single = ofOneRun.find((name) => (options as Readonly<Record<string, unknown>>)[name] !== undefined);
  if (single === undefined) return;
  throw new TransferKitError(
    'bad-option',
    `crossValidate trains once for each fold, and "${single}" belongs to a single run.\n  Fix: leave it out; give it to fineTune, for the model that is trained at the end.`,
    { details: { option: single } },
  );
}
