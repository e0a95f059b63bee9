import { TransferKitError } from '../errors.js';
import { unknownName } from '../common/nearest-name.js';
import type { ProgressEvent } from '../training/progress.js';

/** Options of `fewShot`. The defaults are those of SetFit. */
export interface FewShotOptions {
  /** Passes over the pairs. Default 1. */
  readonly epochs?: number;
  /** Pairs a step. Default 16. */
  readonly batchSize?: number;
  /** Peak rate of the base. Default 2e-5. */
  readonly learningRate?: number;
  /** Pairs of each kind, alike and different, for each example. Default: every pair there is, and the rarer kind as often as the other. */
  readonly iterations?: number;
  /** Most steps of the contrastive training; 0 fits the head alone. Default 500. */
  readonly maxSteps?: number;
  /**
   * Inverse penalty of the logistic regression on standardised features, or `'auto'` to choose it by cross-validation. Default: what
   * scikit-learn's default of 1 is on features as they are.
   */
  readonly strength?: number | 'auto';
  /** Same seed, same figures. Default 42. */
  readonly seed?: number;
  /** Aborting ends the training and fits the head on what the base has learnt so far. */
  readonly signal?: AbortSignal;
  /** Told the plan before anything runs. */
  readonly onPlan?: (plan: FewShotPlan) => void;
  /** Told of every step of the contrastive training. */
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Show a bar when stderr is a terminal. Default true. */
  readonly progress?: boolean;
}

/** What `fewShot` will do. Plain data but for `describe`. */
export interface FewShotPlan {
  readonly examples: number;
  /** Examples per label. */
  readonly classCounts: Readonly<Record<string, number>>;
  /** Pairs an epoch; half of them alike. */
  readonly pairs: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly strength: number | 'auto' | 'plain';
  readonly seed: number;
  /** Each decision in plain words. */
  readonly decisions: readonly string[];
  /** The plan as text for a person. */
  readonly describe: () => string;
}

const counted: Readonly<Record<string, readonly [least: number, words: string]>> = {
  epochs: [1, 'a whole number from 1 on'],
  batchSize: [2, 'a whole number from 2 on'],
  iterations: [1, 'a whole number from 1 on'],
  maxSteps: [0, 'a whole number from 0 on'],
  seed: [Number.MIN_SAFE_INTEGER, 'a whole number'],
};

/** Names of the options of `fewShot` that have nothing to do with loading. */
const fewShotOptionNames = [...Object.keys(counted), 'learningRate', 'strength', 'signal', 'onPlan', 'onProgress', 'progress'];

const invalid = (name: string, expected: string, received: unknown): TransferKitError =>
  new TransferKitError('bad-option', `${name} of fewShot must be ${expected}.\n  Received: ${String(received)}`, {
    details: { option: name },
  });

/** @throws TransferKitError `unknown-name` for an option that does not exist, `bad-option` for a value out of range */
export function checkFewShotOptions(options: FewShotOptions): void {
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    if (!fewShotOptionNames.includes(name)) throw unknownName('option of fewShot', name, fewShotOptionNames);
    const [least, words] = counted[name] ?? [0, ''];
    if (words !== '' && value !== undefined && !(Number.isInteger(value) && (value as number) >= least)) throw invalid(name, words, value);
  }
  const { learningRate, strength } = options;
  if (learningRate !== undefined && !(learningRate > 0 && Number.isFinite(learningRate)))
    throw invalid('learningRate', 'a positive number', learningRate);
  if (strength !== undefined && strength !== 'auto' && !(strength > 0 && Number.isFinite(strength)))
    throw invalid('strength', "a positive number or 'auto'", strength);
}

/** Most pairs an epoch that the options allow. */
export const mostPairs = ({ maxSteps = 500, batchSize = 16, epochs = 1 }: FewShotOptions): number =>
  Math.floor((maxSteps * batchSize) / epochs);

/** What the plan is made from. */
export interface FewShotFacts {
  readonly options: FewShotOptions;
  readonly classCounts: Readonly<Record<string, number>>;
  readonly pairs: number;
  /** Pairs there would be without the limit on steps. */
  readonly unlimited: number;
}

function decisionsFor(plan: Omit<FewShotPlan, 'decisions' | 'describe'>, unlimited: number): string[] {
  const counts = Object.values(plan.classCounts);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const each = least === most ? `${least} a label` : `${least} to ${most} a label`;
  const limit = plan.pairs < unlimited ? ` (of ${unlimited.toLocaleString('en-US')}: more steps than maxSteps are not made)` : '';
  const contrast =
    plan.steps === 0
      ? 'the base stays as it is'
      : `contrastive training of the whole base: ${plan.pairs.toLocaleString('en-US')} pairs${limit}, half of one label and half of two, ${plan.batchSize} a step, ${plan.steps} step${plan.steps === 1 ? '' : 's'}, AdamW with peak rate ${plan.learningRate}, warm-up then linear`;
  const penalty = {
    auto: 'its penalty chosen by cross-validation',
    plain: "with scikit-learn's default penalty",
  }[plan.strength as string];
  return [
    `${plan.examples} examples of ${counts.length} labels, ${each}`,
    contrast,
    `then a logistic regression on the features, ${penalty ?? `with inverse penalty ${plan.strength}`}`,
  ];
}

/** Makes the plan of a few-shot training. */
export function makeFewShotPlan({ options, classCounts, pairs, unlimited }: FewShotFacts): FewShotPlan {
  const { epochs = 1, batchSize = 16, learningRate = 2e-5, seed = 42 } = options;
  const strength: FewShotPlan['strength'] = options.strength ?? 'plain';
  const examples = Object.values(classCounts).reduce((sum, count) => sum + count, 0);
  const steps = epochs * Math.ceil(pairs / batchSize);
  const plan = { examples, classCounts, pairs, epochs, batchSize, steps, learningRate, strength, seed };
  const decisions = decisionsFor(plan, unlimited);
  return { ...plan, decisions, describe: () => ['Few-shot plan', ...decisions.map((decision) => `  - ${decision}`)].join('\n') };
}
