import type { HeadSolver } from '../heads/head.js';
import type { ScheduleRecipe } from './schedule.js';

/**
 * Which layer groups learn in a stage, as plain data. `{ share }` is the part of the groups that have weights, counted from the
 * output; it is rounded up.
 */
export type StageUnfreeze =
  | 'none'
  | 'all'
  | { readonly last: number }
  | { readonly from: string }
  | { readonly groups: readonly string[] }
  | { readonly share: number };

/**
 * Peak learning rates of a stage. `base` is the rate of the last group that learns; each group nearer the input learns at
 * `layerDecay` times the rate of the one behind it (default 1: all alike). `{ from, to }` spreads the rates evenly on a logarithmic
 * scale from the first group of the base (`from`) to the head (`to`), as fastai's `slice(from, to)` does.
 */
export type StageRates =
  | { readonly head?: number; readonly base?: number; readonly layerDecay?: number; readonly adapter?: number }
  | { readonly from: number; readonly to: number };

/** One stretch of training with one set of learning layers, as plain data. What is left out is chosen from data and base. */
export interface Stage {
  /** Unique within its strategy; shown in progress and history. */
  readonly name: string;
  readonly unfreeze: StageUnfreeze;
  /** Whether the adapter of the model learns in this stage. Default false. */
  readonly adapter?: boolean;
  /** Fits the head at once, instead of step by step; the members below then mean nothing. */
  readonly solve?: HeadSolver;
  /** Inverse strength of the L2 penalty of `solve`. Default `'auto'`: chosen by cross-validation. */
  readonly strength?: number | 'auto';
  readonly epochs?: number;
  readonly batchSize?: number;
  readonly rates?: StageRates;
  readonly schedule?: ScheduleRecipe;
  /** Decoupled weight decay; never on biases and norms. */
  readonly weightDecay?: number;
}

/** A way to train: stages one after another. Plain data, saved with the model. */
export interface Strategy {
  readonly name: string;
  readonly stages: readonly Stage[];
}

/** Strategies that need no numbers of their own; `fineTune({ strategy: 'fastai' })`. */
export type StrategyName = keyof typeof strategies;

const headStage: Stage = { name: 'head', unfreeze: 'none' };

/**
 * The ways to train that are known to work, each a function that gives plain data; their names alone stand for their defaults.
 *
 * @example
 * ```ts
 * import { fineTune, strategies } from 'transferkit';
 *
 * await fineTune('photos/', { strategy: 'linearProbe' });
 * await fineTune('photos/', { strategy: strategies.last(2) });
 * console.log(strategies.fastai({ epochs: 4 })); // stages, rates and schedules, to read or to change
 * ```
 */
export const strategies = Object.freeze({
  /** The head alone, step by step, on the frozen base. */
  head: (): Strategy => ({ name: 'head', stages: [headStage] }),

  /** The head alone, fitted at once: a logistic regression on the frozen base, its penalty chosen by cross-validation. */
  linearProbe: (): Strategy => ({ name: 'linearProbe', stages: [{ name: 'head', unfreeze: 'none', solve: 'logistic-regression' }] }),

  /** The head alone, in closed form: the nearest class mean. For a handful of examples a class. */
  nearestCentroid: (): Strategy => ({
    name: 'nearestCentroid',
    stages: [{ name: 'head', unfreeze: 'none', solve: 'nearest-centroid' }],
  }),

  /** The head first, then the head and the last groups of the base. */
  last: (groups = 2): Strategy => ({ name: 'last', stages: [headStage, { name: 'fine-tune', unfreeze: { last: groups } }] }),

  /**
   * The head first, then everything, with rates that shrink towards the input.
   * @source Howard and Ruder 2018 (discriminative fine-tuning); Clark et al. 2020 (layer-wise decay)
   */
  all: ({ layerDecay = 0.9 }: { readonly layerDecay?: number } = {}): Strategy => ({
    name: 'all',
    stages: [headStage, { name: 'fine-tune', unfreeze: 'all', rates: { layerDecay } }],
  }),

  /**
   * fastai's `fine_tune`: the head for an epoch under a one-cycle schedule, then the rate halved, everything unfrozen, and rates
   * spread over a factor of 100 from the first group to the head.
   * @source Howard and Gugger, "fastai: a layered API for deep learning", 2020
   */
  fastai: ({ epochs = 4, headEpochs = 1, rate = 2e-3, spread = 100 }: FastaiOptions = {}): Strategy => ({
    name: 'fastai',
    stages: [
      { ...headStage, epochs: headEpochs, rates: { head: rate }, schedule: { kind: 'one-cycle', warmup: 0.99 }, weightDecay: 0.01 },
      {
        name: 'fine-tune',
        unfreeze: 'all',
        epochs,
        rates: { from: rate / 2 / spread, to: rate / 2 },
        schedule: { kind: 'one-cycle', warmup: 0.3 },
        weightDecay: 0.01,
      },
    ],
  }),

  /**
   * The head first, then one more part of the base with each stage, from the output to the input.
   * @source Howard and Ruder, "Universal language model fine-tuning for text classification", 2018
   */
  gradual: ({ parts = 4, layerDecay = 0.9 }: { readonly parts?: number; readonly layerDecay?: number } = {}): Strategy => ({
    name: 'gradual',
    stages: [
      { ...headStage, epochs: 2 },
      ...Array.from({ length: parts }, (_, index): Stage => {
        const unfreeze: StageUnfreeze = index + 1 === parts ? 'all' : { share: (index + 1) / parts };
        return { name: `unfreeze-${index + 1}`, unfreeze, epochs: 1, rates: { layerDecay } };
      }),
    ],
  }),

  /**
   * A logistic regression first, then everything at low rates from there: the pretrained features are not pulled about by a head
   * that knows nothing yet.
   * @source Kumar et al., "Fine-tuning can distort pretrained features and underperform out-of-distribution", 2022
   */
  probeThenFineTune: ({ layerDecay = 0.9 }: { readonly layerDecay?: number } = {}): Strategy => ({
    name: 'probeThenFineTune',
    stages: [
      { ...headStage, solve: 'logistic-regression' },
      { name: 'fine-tune', unfreeze: 'all', rates: { head: 1e-4, layerDecay } },
    ],
  }),

  /** The head first, then the head and the adapter on the frozen base; needs the option `adapter`. */
  adapter: (): Strategy => ({ name: 'adapter', stages: [headStage, { name: 'adapter', unfreeze: 'none', adapter: true }] }),
});

/** Numbers of fastai's recipe. */
export interface FastaiOptions {
  /** Epochs with everything unfrozen. Default 4. */
  readonly epochs?: number;
  /** Epochs of the head alone. Default 1. */
  readonly headEpochs?: number;
  /** Peak rate of the head while it is alone. Default 2e-3. */
  readonly rate?: number;
  /** How many times smaller the rate of the first group is than the head's. Default 100. */
  readonly spread?: number;
}
