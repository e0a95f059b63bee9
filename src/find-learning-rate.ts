import type { AdapterRecipe } from './adapters/recipe.js';
import { checkOptions } from './data/check-options.js';
import type { Dataset } from './data/dataset.js';
import { TransferKitError } from './errors.js';
import type { Report } from './evaluation/report.js';
import type { Modality } from './inputs/input.js';
import type { Unfreeze } from './layers/learning-groups.js';
import type { LoadOptions, PretrainedId } from './load-pretrained.js';
import { modelFor, requestOf, type Prepared } from './model-for.js';
import type { Model } from './model.js';
import { checkDisk, checkLabels } from './training/check-training.js';
import { learningRatePlot, showRate } from './training/learning-rate-plot.js';
import { learningRateRange } from './training/learning-rate-range.js';
import { suggestRates, type LearningRateSuggestions, type RateCurve } from './training/learning-rate-suggestions.js';
import { checkOptimizer, type OptimizerName, type OptimizerRecipe } from './training/optimizer-recipe.js';
import type { FeatureCacheOptions } from './training/options.js';
import type { AnyModel } from './training/weight-set.js';

/** Options of `findLearningRate`. */
export interface FindLearningRateOptions {
  /** Which layer groups of the base learn; overrules `freezeBase`. Default: as the base stands. */
  readonly unfreeze?: Unfreeze;
  /** Small matrices that learn in place of the base's weights, as in `fineTune`. */
  readonly adapter?: AdapterRecipe;
  /** Examples a step. Default 64 for a head alone, 16 when layers of the base learn. */
  readonly batchSize?: number;
  /** Steps from the lowest to the highest rate, at least 10. Default 100. */
  readonly steps?: number;
  /** Rate of the first step. Default 1e-7. */
  readonly from?: number;
  /** Rate of the last step. Default 10. */
  readonly to?: number;
  /** What moves the weights; each optimiser has rates of its own. Default AdamW. */
  readonly optimizer?: OptimizerName | OptimizerRecipe;
  /** Where features are kept, so that `fineTune` finds them; `false` for memory only. Default: as in `fineTune`. */
  readonly cache?: FeatureCacheOptions | false;
  /** Same seed, same curve. Default 42. */
  readonly seed?: number;
  /** Aborting throws `aborted`, and the model is as it was. */
  readonly signal?: AbortSignal;
  /** Told after every step. */
  readonly onProgress?: (event: { readonly done: number; readonly total: number }) => void;
}

/** What `findLearningRate` gives: the curve, and the rates that it speaks for. */
export interface LearningRateFinding extends RateCurve {
  readonly suggestions: LearningRateSuggestions;
  /** The suggestions in words, fit for a terminal. */
  describe(): string;
  /** The curve with the suggestions as a picture: an SVG document. */
  toSvg(): string;
}

/**
 * Trains for some hundred steps while the learning rate grows from nothing to far too much, and reads good rates off the loss. The
 * model has every weight back afterwards, also when this throws or is aborted.
 *
 * Given a name or nothing instead of a model, it makes a model as `fineTune` would, and frees it at the end.
 *
 * @returns rates and losses of the steps, and three suggestions. `valley` is the one to give to `fineTune`
 * @throws TransferKitError `bad-option`, `bad-data`, `nothing-to-train`, `aborted`, `disposed`; `diverged` when the loss is no number
 *   before there is a curve; with a name also what `loadPretrained` throws
 * @source Smith, Cyclical Learning Rates for Training Neural Networks, 2017; the suggestions are those of fastai's `lr_find`
 * @example
 * ```ts
 * import { findLearningRate, fineTune } from 'transferkit';
 *
 * const { suggestions, describe } = await findLearningRate('photos/');
 * console.log(describe());
 * await fineTune('photos/', { learningRate: suggestions.valley });
 * ```
 */
export async function findLearningRate<M extends Modality, Target, Prediction, R extends Report, B extends number>(
  model: Model<M, Target, Prediction, R, B>,
  data: Dataset<NoInfer<M>, NoInfer<Target>> | Dataset<NoInfer<M>, string>,
  options?: FindLearningRateOptions,
): Promise<LearningRateFinding>;
export async function findLearningRate<M extends Modality>(
  base: PretrainedId,
  data: Dataset<M, string> | string,
  options?: FindLearningRateOptions & LoadOptions,
): Promise<LearningRateFinding>;
export async function findLearningRate<M extends Modality>(
  data: Dataset<M, string> | string,
  options?: FindLearningRateOptions & LoadOptions,
): Promise<LearningRateFinding>;
export async function findLearningRate(
  start: AnyModel | PretrainedId | Dataset,
  dataOrOptions?: Dataset | string | (FindLearningRateOptions & LoadOptions),
  options?: FindLearningRateOptions & LoadOptions,
): Promise<LearningRateFinding> {
  const prepared = await modelFor(requestOf(start, dataOrOptions, options));
  try {
    return await find(prepared, prepared.training as FindLearningRateOptions);
  } finally {
    prepared.release();
  }
}

async function find({ model, examples }: Prepared, options: FindLearningRateOptions): Promise<LearningRateFinding> {
  model.assertUsable();
  const { steps = 100, from = 1e-7, to = 10, optimizer = 'adamw', onProgress } = options;
  const recipe: OptimizerRecipe = typeof optimizer === 'string' ? { name: optimizer } : optimizer;
  checkFindOptions(options, from, to);
  checkOptimizer(recipe);
  checkLabels(model, examples, 'training');
  checkDisk(model.base.parts.runtime, options.cache);
  const curve = await learningRateRange(model, examples, {
    unfreeze: options.unfreeze,
    adapter: options.adapter,
    batchSize: options.batchSize,
    steps,
    from,
    to,
    seed: options.seed ?? 42,
    optimizer: recipe,
    cache: options.cache ?? {},
    signal: options.signal,
    onStep: (done) => onProgress?.({ done, total: steps }),
  });
  checkCurve(curve);
  return finding(curve, { steps, from, to });
}

interface Span {
  readonly steps: number;
  readonly from: number;
  readonly to: number;
}

function finding(curve: RateCurve, span: Span): LearningRateFinding {
  const suggestions = suggestRates(curve, span.steps);
  return {
    ...curve,
    suggestions,
    describe: () => describeFinding(curve, suggestions, span),
    toSvg: () => learningRatePlot(curve, suggestions),
  };
}

function describeFinding({ rates }: RateCurve, suggestions: LearningRateSuggestions, { steps, from, to }: Span): string {
  const ended = rates.length < steps ? `ended at ${showRate(rates.at(-1)!)}, where the loss grew out of bounds` : 'ran to its end';
  return [
    `Learning-rate test from ${showRate(from)} to ${showRate(to)} in ${steps} steps, ${ended}`,
    `  valley    ${showRate(suggestions.valley).padEnd(8)} middle of the longest fall of the loss; take this when in doubt`,
    `  steepest  ${showRate(suggestions.steepest).padEnd(8)} where the loss falls fastest`,
    `  minimum   ${showRate(suggestions.minimum).padEnd(8)} a tenth of the rate of the lowest loss`,
  ].join('\n');
}

const optionNames = [
  'unfreeze',
  'adapter',
  'batchSize',
  'steps',
  'from',
  'to',
  'optimizer',
  'cache',
  'seed',
  'signal',
  'onProgress',
] as const;

const wholeFrom =
  (least: number) =>
  (value: number): boolean =>
    Number.isInteger(value) && value >= least;
const aboveZero = (value: number): boolean => value > 0 && Number.isFinite(value);

const ranges: readonly (readonly [keyof FindLearningRateOptions, string, (value: number) => boolean])[] = [
  ['batchSize', 'a whole number from 1 on', wholeFrom(1)],
  ['steps', 'a whole number from 10 on', wholeFrom(10)],
  ['from', 'above 0', aboveZero],
  ['to', 'above 0', aboveZero],
  ['seed', 'a whole number', Number.isInteger],
];

/** @throws TransferKitError `bad-option` */
function checkFindOptions(options: FindLearningRateOptions, from: number, to: number): void {
  checkOptions('findLearningRate', options, optionNames);
  const refuse = (name: string, expected: string, received: unknown): never => {
    throw new TransferKitError('bad-option', `${name} must be ${expected}.\n  Received: ${String(received)}`, {
      details: { option: name },
    });
  };
  for (const [name, expected, fits] of ranges) {
    const value = options[name];
    if (value !== undefined && !(typeof value === 'number' && fits(value))) refuse(name, expected, value);
  }
  if (from >= to) refuse('to', `above from (${from})`, to);
}

/** Two points make a slope. */
function checkCurve({ rates }: RateCurve): void {
  if (rates.length >= 2) return;
  throw new TransferKitError(
    'diverged',
    `the loss is no number after ${rates.length} steps of the learning-rate test, so there is no curve.\n` +
      '  Likely cause: inputs that are not finite, or a first rate that is far too high.\n  Fix: look at the examples, or lower `from`.',
    { details: { steps: rates.length } },
  );
}
