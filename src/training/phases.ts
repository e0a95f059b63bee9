import type { Base } from '../base.js';
import { TransferKitError } from '../errors.js';
import type { HeadSolver } from '../heads/head.js';
import { checkMayLearn, lastLearning, learningGroups, type FreezableGroup } from '../layers/learning-groups.js';
import { unknownName } from '../common/nearest-name.js';
import { checkStages } from './check-stages.js';
import { besideAdamw, type OptimizerName } from './optimizer-recipe.js';
import type { FineTuneOptions } from './options.js';
import { checkSchedule, type ScheduleRecipe } from './schedule.js';
import type { Stage, StageRates, Strategy } from './strategy.js';

/** Peak learning rates of a phase. */
export interface PhaseRates {
  readonly head: number;
  /** Of the last group that learns; 0 where none does. */
  readonly base: number;
  readonly adapter: number;
  /** One per layer group of the base, from input to output; 0 where it is frozen. */
  readonly groups: readonly number[];
}

/** One stretch of training with one set of learning layers: a stage of the strategy with every number in its place. */
export interface PhasePlan {
  /** Name of the stage: `head`, `fine-tune`. */
  readonly name: string;
  /** One flag per layer group of the base. */
  readonly learns: readonly boolean[];
  /** Whether the adapter learns. */
  readonly adapter: boolean;
  /** Groups before this one run once per example; their outputs are the feature cache. */
  readonly firstGroup: number;
  /** How the head is fitted at once; null where it learns step by step. */
  readonly solve: { readonly solver: HeadSolver; readonly strength: number | 'auto' } | null;
  readonly epochs: number;
  readonly batchSize: number;
  /** Decoupled weight decay; never on biases and norms. */
  readonly weightDecay: number;
  /** Peak learning rates. */
  readonly rates: PhaseRates;
  readonly schedule: ScheduleRecipe;
}

/** What phases are made from. */
export interface PhaseFacts {
  readonly base: Base;
  readonly options: FineTuneOptions;
  /** Training examples. */
  readonly train: number;
  /** The lowest group with an adapted layer; undefined without an adapter. */
  readonly adapterGroup?: number | undefined;
}

/** A power of two that gives at least some 32 steps an epoch, within bounds: small data need many small steps. */
const batchFor = (examples: number, largest: number): number => {
  let size = 8;
  while (size < largest && size * 32 < examples) size *= 2;
  return size;
};

const badStage = (stage: Stage, what: string): TransferKitError =>
  new TransferKitError('bad-option', `stage "${stage.name}" of the strategy ${what}`, { details: { stage: stage.name } });

/** One flag per group. */
function learningOf(stage: Stage, base: Base): boolean[] {
  const { groups } = base.parts.built;
  const { unfreeze } = stage;
  if (typeof unfreeze === 'object' && unfreeze !== null) {
    if ('groups' in unfreeze) return namedGroups(unfreeze.groups, groups);
    if ('share' in unfreeze) return lastShare(stage, unfreeze.share, base);
  }
  return learningGroups(unfreeze, groups);
}

function namedGroups(wanted: readonly string[], groups: readonly FreezableGroup[]): boolean[] {
  const names = groups.map(({ name }) => name);
  const unknown = wanted.find((name) => !names.includes(name));
  if (unknown !== undefined) throw unknownName('layer group', unknown, names);
  const learns = names.map((name) => wanted.includes(name));
  checkMayLearn(learns, groups);
  return learns;
}

function lastShare(stage: Stage, share: number, { groups, parts }: Base): boolean[] {
  if (!(share > 0 && share <= 1)) throw badStage(stage, `unfreezes a share of ${share}.\n  Expected: a number above 0, up to 1`);
  const able = lastLearning(parts.built.groups);
  const withWeights = groups.flatMap((group, index) => (able[index]! && group.parameters > 0 ? [index] : []));
  const first = withWeights[withWeights.length - Math.ceil(share * withWeights.length)] ?? groups.length;
  return able.map((mayLearn, index) => mayLearn && index >= first);
}

const optimizerName = ({ optimizer = 'adamw' }: FineTuneOptions): OptimizerName =>
  typeof optimizer === 'string' ? optimizer : optimizer.name;

/** What suits the base's pretrained weights. */
function fineTuningRate({ parts: { family, config } }: Base): number {
  const { fineTuningRate: rate = 1e-4 } = family;
  return typeof rate === 'number' ? rate : rate(config);
}

/** Peak rates as the caller's `learningRate` says, over those of the stage, over what suits the part. */
function ratesOf(stage: Stage, learns: readonly boolean[], { base, options }: PhaseFacts): PhaseRates {
  const own: StageRates = stage.rates ?? {};
  const { learningRate } = options;
  const wanted =
    typeof learningRate === 'number' ? { head: learningRate, base: learningRate, adapter: learningRate } : (learningRate ?? {});
  if ('from' in own) return spreadRates(own, wanted.head, learns);
  const beside = besideAdamw[optimizerName(options)].rate;
  const head = wanted.head ?? own.head ?? 1e-3 * beside;
  const last = wanted.base ?? own.base ?? fineTuningRate(base) * beside;
  const groups = decayedRates(last, own.layerDecay ?? 1, learns, base);
  return {
    head,
    base: learns.includes(true) ? last : 0,
    adapter: stage.adapter === true ? (wanted.adapter ?? own.adapter ?? 5e-4 * beside) : 0,
    groups,
  };
}

/** Even steps on a logarithmic scale from the first group to the head. A rate that was asked for is the head's. */
function spreadRates(own: { from: number; to: number }, wanted: number | undefined, learns: readonly boolean[]): PhaseRates {
  const head = wanted ?? own.to;
  const groups = learns.map((learning, index) => (learning ? head * (own.to / own.from) ** (index / learns.length - 1) : 0));
  return { head, base: groups[learns.lastIndexOf(true)] ?? 0, adapter: head, groups };
}

/** Each learning group at `decay` times the rate of the one behind it; groups without weights do not count. */
function decayedRates(last: number, decay: number, learns: readonly boolean[], { groups }: Base): number[] {
  const behind = (index: number): number => groups.filter((group, other) => other > index && learns[other]! && group.parameters > 0).length;
  return learns.map((learning, index) => (learning ? last * decay ** behind(index) : 0));
}

/** Epochs of a head on cached features: they cost next to nothing, so there are enough for early stopping to choose from. */
const headEpochsFor = (examples: number): number => (examples < 2000 ? 50 : 30);

function epochsOf(stage: Stage, isLast: boolean, headOnly: boolean, { options, train }: PhaseFacts): number {
  if (stage.solve !== undefined) return 1;
  const asked = isLast ? options.epochs : undefined;
  if (!headOnly) return asked ?? stage.epochs ?? 3;
  return asked ?? options.headEpochs ?? stage.epochs ?? (isLast ? headEpochsFor(train) : 10);
}

/** The schedule of a stage, with what the caller changes of it. */
function scheduleOf(stage: Stage, { options }: PhaseFacts): ScheduleRecipe {
  const own = stage.schedule ?? { kind: 'cosine', warmup: 0.1 };
  const asked = typeof options.schedule === 'string' ? { ...own, kind: options.schedule } : (options.schedule ?? own);
  const schedule = options.warmup === undefined ? asked : { ...asked, warmup: options.warmup };
  checkSchedule(schedule);
  return schedule;
}

function firstGroupOf(learns: readonly boolean[], stage: Stage, { adapterGroup }: PhaseFacts): number {
  const first = learns.indexOf(true);
  const own = first < 0 ? learns.length : first;
  return stage.adapter === true ? Math.min(own, adapterGroup ?? own) : own;
}

function phaseOf(stage: Stage, isLast: boolean, facts: PhaseFacts): PhasePlan {
  const learns = learningOf(stage, facts.base);
  const adapter = stage.adapter === true;
  const headOnly = !learns.includes(true) && !adapter;
  if (!headOnly && stage.solve !== undefined) throw badStage(stage, 'solves for the head while layers of the base learn; use two stages.');
  if (adapter && learns.includes(true)) throw badStage(stage, 'trains both an adapter and layers of the base; use two stages.');
  if (adapter && facts.adapterGroup === undefined)
    throw badStage(stage, 'trains an adapter, and the model has none.\n  Fix: pass adapter: lora().');
  return {
    name: stage.name,
    learns,
    adapter,
    firstGroup: firstGroupOf(learns, stage, facts),
    solve: stage.solve === undefined ? null : { solver: stage.solve, strength: stage.strength ?? 'auto' },
    epochs: epochsOf(stage, isLast, headOnly, facts),
    batchSize: facts.options.batchSize ?? stage.batchSize ?? batchFor(facts.train, headOnly ? 64 : 16),
    // A linear head on hundreds of standardised features overfits; strong decay serves it as the penalty serves a logistic regression.
    weightDecay: facts.options.weightDecay ?? stage.weightDecay ?? (headOnly ? 1 : 0.01) * besideAdamw[optimizerName(facts.options)].decay,
    rates: ratesOf(stage, learns, facts),
    schedule: scheduleOf(stage, facts),
  };
}

/**
 * A strategy with every number in its place. Stages of the head alone are left out where `headEpochs` is 0.
 * @throws TransferKitError `bad-option` for a stage that makes no sense, or an option that no stage heeds; `unknown-name`
 */
export function phasesFor(strategy: Strategy, facts: PhaseFacts): PhasePlan[] {
  const phases = strategy.stages.map((stage, index) => phaseOf(stage, index === strategy.stages.length - 1, facts));
  checkStages(strategy, phases, facts.options);
  return phases.filter((phase, index) => phase.epochs > 0 || index === phases.length - 1);
}
