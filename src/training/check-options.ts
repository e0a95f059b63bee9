import { isAdapterRecipe } from '../adapters/recipe.js';
import { unknownName } from '../common/nearest-name.js';
import { TransferKitError } from '../errors.js';
import { checkAugmentation } from '../inputs/augment/check-augmentation.js';
import type { Modality } from '../inputs/input.js';
import { checkCheckpointOptions } from './checkpoint/checkpoint-options.js';
import { TrainingControl } from './control.js';
import { checkLogOptions } from './log.js';
import { checkMix } from './mix.js';
import { checkOptimizer } from './optimizer-recipe.js';
import type { FineTuneOptions } from './options.js';
import { strategyOf } from './check-strategy.js';

type Rule = readonly [(value: unknown) => boolean, string];

const number = (fits: (value: number) => boolean, expected: string): Rule => [
  (value) => typeof value === 'number' && fits(value),
  expected,
];
const count = (from: number): Rule => number((value) => Number.isInteger(value) && value >= from, `a whole number from ${from} on`);
const flag: Rule = [(value) => typeof value === 'boolean', 'true or false'];
const listener: Rule = [(value) => typeof value === 'function', 'a function'];
const anything: Rule = [() => true, ''];
const isRate = (value: unknown): boolean => typeof value === 'number' && value > 0 && Number.isFinite(value);

/** What each option must be. What is looked at elsewhere is `anything` here. */
const rules: Readonly<Record<keyof FineTuneOptions, Rule>> = {
  validation: [
    (value) => typeof value !== 'number' || (value >= 0 && value < 1), // what is no number is looked at as data
    'a data set, or a fraction from 0 to below 1',
  ],
  strategy: anything,
  unfreeze: anything,
  normalization: anything,
  adapter: [isAdapterRecipe, 'what lora() gives'],
  epochs: count(1),
  headEpochs: count(0),
  batchSize: count(1),
  accumulate: count(1),
  learningRate: anything,
  optimizer: anything,
  schedule: anything,
  weightDecay: number((value) => value >= 0, '0 or more'),
  warmup: number((value) => value >= 0 && value < 1, 'from 0 to below 1'),
  gradientClip: number((value) => value >= 0, '0 (no limit) or more'),
  ema: [(value) => typeof value === 'boolean' || (typeof value === 'number' && value > 0 && value < 1), 'true, or a decay between 0 and 1'],
  averageBest: count(1),
  augment: anything,
  mix: anything,
  views: count(1),
  sampling: [(value) => value === 'shuffled' || value === 'balanced', '"shuffled" or "balanced"'],
  classWeights: anything,
  labelSmoothing: number((value) => value >= 0 && value < 1, 'from 0 to below 1'),
  focalGamma: number((value) => value >= 0 && Number.isFinite(value), '0 or more'),
  earlyStopping: anything,
  seed: number(Number.isInteger, 'a whole number'),
  signal: anything,
  control: [(value) => value instanceof TrainingControl, 'a TrainingControl'],
  onPlan: listener,
  onProgress: listener,
  onEvent: listener,
  progress: anything,
  log: anything,
  checkpoint: anything,
  cacheBytes: number((value) => value >= 0, '0 or more bytes'),
  cache: [(value) => value === false || (typeof value === 'object' && value !== null), 'false, or { directory, maxBytes }'],
  workers: count(0),
  worker: flag,
};

const invalid = (name: string, expected: string, received: unknown): TransferKitError =>
  new TransferKitError('bad-option', `${name} must be ${expected}.\n  Received: ${String(received)}`, { details: { option: name } });

function checkRates(rates: NonNullable<FineTuneOptions['learningRate']>): void {
  if (typeof rates === 'number') {
    if (!isRate(rates)) throw invalid('learningRate', 'a positive number', rates);
    return;
  }
  for (const [name, rate] of Object.entries(rates)) {
    if (!['head', 'base', 'adapter'].includes(name)) throw unknownName('part in learningRate', name, ['head', 'base', 'adapter']);
    if (rate !== undefined && !isRate(rate)) throw invalid('learningRate', 'a positive number', rate);
  }
}

function checkStopping({ earlyStopping }: FineTuneOptions): void {
  const patience = earlyStopping ? earlyStopping.patience : undefined;
  if (patience !== undefined && !(Number.isInteger(patience) && patience >= 1))
    throw invalid('earlyStopping.patience', 'a whole number from 1 on', patience);
}

/** Options that say the same thing in two ways. */
function checkTogether(options: FineTuneOptions): void {
  if (options.strategy !== undefined && options.unfreeze !== undefined)
    throw new TransferKitError(
      'bad-option',
      'strategy and unfreeze were both given, and a strategy says itself what learns in each stage.\n  Fix: leave one of them out.',
    );
  if (options.views !== undefined && options.augment === undefined)
    throw new TransferKitError('bad-option', 'views were asked for without augment.\n  Fix: pass augment, or leave views out.');
}

/** @throws TransferKitError `unknown-name` for an option that does not exist, `bad-option` for a value out of range */
export function checkOptions(options: FineTuneOptions, modality: Modality): void {
  const names = Object.keys(rules);
  for (const name of Object.keys(options)) if (!names.includes(name)) throw unknownName('option of fineTune', name, names);
  for (const [name, [fits, expected]] of Object.entries(rules)) {
    const value = options[name as keyof FineTuneOptions];
    if (value !== undefined && !fits(value)) throw invalid(name, expected, value);
  }
  checkTogether(options);
  checkStopping(options);
  if (options.learningRate !== undefined) checkRates(options.learningRate);
  if (options.strategy !== undefined) strategyOf(options.strategy);
  if (options.optimizer !== undefined)
    checkOptimizer(typeof options.optimizer === 'string' ? { name: options.optimizer } : options.optimizer);
  if (options.augment !== undefined) checkAugmentation(options.augment, modality);
  if (options.mix !== undefined) checkMix(options.mix);
  if (options.log !== undefined) checkLogOptions(options.log);
  if (options.checkpoint !== undefined) checkCheckpointOptions(options.checkpoint);
}
