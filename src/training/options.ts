import type { NormalizationMode } from '../base.js';
import type { Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import type { Unfreeze } from '../layers/learning-groups.js';
import type { Modality } from '../inputs/input.js';
import { unknownName } from '../common/nearest-name.js';
import type { TrainingPlan } from './plan.js';
import type { ProgressEvent } from './progress.js';

/** Stop when validation no longer improves; the best weights are restored either way. */
export interface EarlyStopping {
  /** Epochs without improvement before a phase ends. Default 5. */
  readonly patience?: number;
  /** What is watched: the validation loss (default) or a metric of the head, such as `accuracy`. */
  readonly monitor?: string;
}

/** Options of `fineTune`. Every default is chosen from the data and explained by `plan.describe()`. */
export interface FineTuneOptions<M extends Modality = Modality, Target = unknown> {
  /** Held-out examples, or the fraction of the training data to hold out (0 for none). Default 0.1 from 500 examples on. */
  readonly validation?: Dataset<M, Target> | number;
  /** Which layer groups of the base learn; overrules `freezeBase`. Default: as the base stands. */
  readonly unfreeze?: Unfreeze;
  /** What normalisation layers of unfrozen groups do; see `freezeBase`. */
  readonly normalization?: NormalizationMode;
  /** Passes over the data in the main phase. */
  readonly epochs?: number;
  /** Passes that train the head alone before anything is unfrozen. 0 for none. */
  readonly headEpochs?: number;
  /** Examples a step. */
  readonly batchSize?: number;
  /** Peak learning rate, one for all or one for each part. */
  readonly learningRate?: number | { readonly head?: number; readonly base?: number };
  /** Decoupled weight decay (AdamW); never on biases and norms. Default 1 for a head alone, 0.01 when the base learns. */
  readonly weightDecay?: number;
  /** Share of the steps in which the rate climbs to its peak. Default 0.1. */
  readonly warmup?: number;
  /** Weights of the classes in the loss, or `'balanced'`. Default: all alike. */
  readonly classWeights?: 'balanced' | Readonly<Record<string, number>>;
  /** 0 to 1: share of the target that is spread over all classes. Default 0. */
  readonly labelSmoothing?: number;
  /** Largest global norm of the gradient; 0 for no limit. Default 1. */
  readonly gradientClip?: number;
  /** `false` trains every epoch and keeps the last weights. */
  readonly earlyStopping?: EarlyStopping | false;
  /** Same seed, same figures. Default 42. */
  readonly seed?: number;
  /** Aborting ends the training and keeps the best weights so far. */
  readonly signal?: AbortSignal;
  /** Told the plan before anything runs. */
  readonly onPlan?: (plan: TrainingPlan) => void;
  /** Told of every step. */
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Show a bar when stderr is a terminal. Default true. */
  readonly progress?: boolean;
  /** Bytes of memory for cached features. Default 2 GiB. */
  readonly cacheBytes?: number;
}

const ranges: readonly (readonly [keyof FineTuneOptions, (value: number) => boolean, string])[] = [
  ['epochs', (value) => Number.isInteger(value) && value >= 1, 'a whole number from 1 on'],
  ['headEpochs', (value) => Number.isInteger(value) && value >= 0, 'a whole number from 0 on'],
  ['batchSize', (value) => Number.isInteger(value) && value >= 1, 'a whole number from 1 on'],
  ['weightDecay', (value) => value >= 0, '0 or more'],
  ['warmup', (value) => value >= 0 && value < 1, 'from 0 to below 1'],
  ['labelSmoothing', (value) => value >= 0 && value < 1, 'from 0 to below 1'],
  ['gradientClip', (value) => value >= 0, '0 (no limit) or more'],
  ['seed', (value) => Number.isInteger(value), 'a whole number'],
  ['cacheBytes', (value) => value >= 0, '0 or more bytes'],
];

const known: readonly string[] = [
  'validation',
  'unfreeze',
  'normalization',
  'learningRate',
  'classWeights',
  'earlyStopping',
  'signal',
  'onPlan',
  'onProgress',
  'progress',
  ...ranges.map(([name]) => name),
];

const invalid = (name: string, expected: string, received: unknown): TransferKitError =>
  new TransferKitError('bad-option', `${name} must be ${expected}.\n  Received: ${String(received)}`, { details: { option: name } });

function checkRates(rates: NonNullable<FineTuneOptions['learningRate']>): void {
  const values = typeof rates === 'number' ? [rates] : [rates.head, rates.base].filter((rate) => rate !== undefined);
  for (const rate of values) if (!(rate > 0 && Number.isFinite(rate))) throw invalid('learningRate', 'a positive number', rate);
}

/** @throws TransferKitError `unknown-name` for an option that does not exist, `bad-option` for a value out of range */
export function checkOptions(options: FineTuneOptions): void {
  for (const name of Object.keys(options)) if (!known.includes(name)) throw unknownName('option of fineTune', name, known);
  for (const [name, fits, expected] of ranges) {
    const value = options[name];
    if (value !== undefined && !(typeof value === 'number' && fits(value))) throw invalid(name, expected, value);
  }
  if (options.learningRate !== undefined) checkRates(options.learningRate);
  const { validation } = options;
  if (typeof validation === 'number' && !(validation >= 0 && validation < 1))
    throw invalid('validation', 'a data set, or a fraction from 0 to below 1', validation);
  const patience = options.earlyStopping ? options.earlyStopping.patience : undefined;
  if (patience !== undefined && !(Number.isInteger(patience) && patience >= 1))
    throw invalid('earlyStopping.patience', 'a whole number from 1 on', patience);
}
