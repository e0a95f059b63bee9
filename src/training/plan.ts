import type { AdapterRecipe } from '../adapters/recipe.js';
import type { Base, FreezeState } from '../base.js';
import { TransferKitError } from '../errors.js';
import type { AnyHead } from '../heads/head.js';
import { checkAugmentation } from '../inputs/augment/check-augmentation.js';
import type { InputAugmentation, MixAugmentation } from '../inputs/augment/recipe.js';
import type { ChosenStrategy } from './choose-strategy.js';
import { checkMix } from './mix.js';
import type { OptimizerRecipe } from './optimizer-recipe.js';
import type { FineTuneOptions } from './options.js';
import { phasesFor, type PhasePlan } from './phases.js';
import { decisionsFor } from './plan-words.js';
import type { Strategy } from './strategy.js';

export type { PhasePlan, PhaseRates } from './phases.js';

/** What a run will do, and why. Plain data but for `describe`. */
export interface TrainingPlan {
  /** The way to train, as it was asked for or chosen. */
  readonly strategy: Strategy;
  /** The same with every number in its place. */
  readonly phases: readonly PhasePlan[];
  readonly examples: { readonly train: number; readonly validation: number };
  readonly normalization: FreezeState['normalization'];
  readonly optimizer: OptimizerRecipe;
  /** Steps whose gradients are averaged before the weights move. */
  readonly accumulate: number;
  readonly gradientClip: number;
  /** Decay of the moving average of the weights; null for none. */
  readonly ema: number | null;
  /** Epochs whose weights are averaged at the end of a phase. */
  readonly averageBest: number;
  readonly adapter: AdapterRecipe | null;
  readonly augment: InputAugmentation | null;
  readonly mix: MixAugmentation | null;
  /** Augmented views an example whose features are cached; 0 where they are drawn anew each epoch, or there are none. */
  readonly views: number;
  readonly sampling: 'shuffled' | 'balanced';
  readonly labelSmoothing: number;
  readonly focalGamma: number;
  readonly classWeights: 'balanced' | Readonly<Record<string, number>> | null;
  readonly earlyStopping: { readonly patience: number; readonly monitor: string } | null;
  readonly seed: number;
  readonly cacheBytes: number;
  /** Each decision in plain words. */
  readonly decisions: readonly string[];
  /** The plan as text for a person. */
  readonly describe: () => string;
}

/** What the plan is made from. */
export interface PlanFacts {
  readonly base: Base;
  readonly head: AnyHead;
  readonly options: FineTuneOptions;
  readonly chosen: ChosenStrategy;
  readonly train: number;
  readonly validation: number;
  /** The lowest group with an adapted layer; undefined without an adapter. */
  readonly adapterGroup?: number | undefined;
  /** Recipe of the adapter that the model has or will have. */
  readonly adapter?: AdapterRecipe | undefined;
  /** How normalisation of learning groups behaves. */
  readonly normalization: FreezeState['normalization'];
  /** The same in words, with its size. */
  readonly adapterWords?: string | undefined;
  /** Words on where validation comes from. */
  readonly validationReason: string;
  /** Words on which base was taken, where none was named. */
  readonly baseReason?: string | undefined;
}

const defaultCacheBytes = 2 * 2 ** 30;
const defaultViews = 4;

/** Early stopping needs validation examples; `false` turns it off. */
function stoppingFor({ options, validation }: PlanFacts): TrainingPlan['earlyStopping'] {
  if (options.earlyStopping === false || validation === 0) return null;
  return { patience: options.earlyStopping?.patience ?? 5, monitor: options.earlyStopping?.monitor ?? 'loss' };
}

/** Views are kept where a frozen part is computed ahead. */
function viewsFor({ options: { augment, views }, head }: PlanFacts, phases: readonly PhasePlan[]): number {
  const anew = head.corrupt !== undefined;
  if (!anew && phases.some(({ firstGroup }) => firstGroup > 0)) return augment === undefined ? 0 : (views ?? defaultViews);
  if (views === undefined) return 0;
  const why = anew ? `the head "${head.name}" changes its inputs anew each time` : 'the whole base learns in every stage';
  throw new TransferKitError(
    'bad-option',
    `views are augmented examples whose features are computed once and kept, and here none are: ${why}.
  Expected: no views, so that each epoch draws fresh ones
  Received: views ${views}
  Fix: leave views out${anew ? '' : ', or freeze the first groups, for example unfreeze: { last: 2 }'}.`,
    { details: { option: 'views' } },
  );
}

const decayOf = ({ ema }: FineTuneOptions): number | null => (ema === true ? 0.999 : ema === undefined || ema === false ? null : ema);

/**
 * Makes the plan of a run from the data's size, the base and the options.
 * @throws TransferKitError `bad-option` for what contradicts the strategy, or would be ignored by it; `unknown-name`
 */
export function makePlan(facts: PlanFacts): TrainingPlan {
  const { options } = facts;
  const { strategy, reason } = facts.chosen;
  const phases = phasesFor(strategy, facts);
  const { optimizer } = options;
  const plan: Omit<TrainingPlan, 'decisions' | 'describe'> = {
    strategy,
    phases,
    examples: { train: facts.train, validation: facts.validation },
    normalization: facts.normalization,
    optimizer: typeof optimizer === 'string' ? { name: optimizer } : (optimizer ?? { name: 'adamw' }),
    accumulate: options.accumulate ?? 1,
    gradientClip: options.gradientClip ?? 1,
    ema: decayOf(options),
    averageBest: options.averageBest ?? 1,
    adapter: facts.adapter ?? null,
    augment: options.augment === undefined ? null : checkAugmentation(options.augment, facts.base.modality),
    mix: options.mix === undefined ? null : checkMix(options.mix),
    views: viewsFor(facts, phases),
    sampling: options.sampling ?? 'shuffled',
    labelSmoothing: options.labelSmoothing ?? 0,
    focalGamma: options.focalGamma ?? 0,
    classWeights: options.classWeights ?? null,
    earlyStopping: stoppingFor(facts),
    seed: options.seed ?? 42,
    cacheBytes: options.cacheBytes ?? defaultCacheBytes,
  };
  const decisions = decisionsFor(plan, facts, reason);
  return { ...plan, decisions, describe: () => ['Training plan', ...decisions.map((decision) => `  - ${decision}`)].join('\n') };
}
