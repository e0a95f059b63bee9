import type { Base, FreezeState } from '../base.js';
import type { FineTuneOptions } from './options.js';

/** One stretch of training with one set of learning layers. */
export interface PhasePlan {
  readonly name: 'head' | 'fine-tune';
  /** One flag per layer group of the base. */
  readonly learns: readonly boolean[];
  /** Groups before this one run once per example; their outputs are the feature cache. */
  readonly firstGroup: number;
  readonly epochs: number;
  readonly batchSize: number;
  /** Decoupled weight decay; never on biases and norms. */
  readonly weightDecay: number;
  /** Peak learning rates. */
  readonly rates: { readonly head: number; readonly base: number };
}

/** What a run will do, and why. Plain data but for `describe`. */
export interface TrainingPlan {
  readonly phases: readonly PhasePlan[];
  readonly examples: { readonly train: number; readonly validation: number };
  readonly normalization: FreezeState['normalization'];
  readonly warmup: number;
  readonly gradientClip: number;
  readonly labelSmoothing: number;
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
  readonly options: FineTuneOptions;
  readonly train: number;
  readonly validation: number;
  /** Words on where validation comes from. */
  readonly validationReason: string;
  /** Words on which base was taken, where none was named. */
  readonly baseReason?: string | undefined;
  readonly freeze: FreezeState;
}

const plural = (count: number, noun: string): string => `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`;

/** A power of two that gives at least some 32 steps an epoch, within bounds: small data need many small steps. */
const batchFor = (examples: number, largest: number): number => {
  let size = 8;
  while (size < largest && size * 32 < examples) size *= 2;
  return size;
};

/** Peak rates: fixed ones where the caller says, else what suits the part. */
function ratesFor(options: FineTuneOptions, fallback: { head: number; base: number }): { head: number; base: number } {
  const { learningRate } = options;
  if (learningRate === undefined) return fallback;
  if (typeof learningRate === 'number') return { head: learningRate, base: learningRate };
  return { head: learningRate.head ?? fallback.head, base: learningRate.base ?? fallback.base };
}

/** A linear head on hundreds of standardised features overfits; strong decay serves it as the penalty serves a logistic regression. */
function headPhase({ freeze, options, train }: PlanFacts, epochs: number): PhasePlan {
  const learns = freeze.learns.map(() => false);
  return {
    name: 'head',
    learns,
    firstGroup: learns.length,
    epochs,
    batchSize: options.batchSize ?? batchFor(train, 64),
    weightDecay: options.weightDecay ?? 1,
    rates: ratesFor(options, { head: 1e-3, base: 0 }),
  };
}

function fineTunePhase({ freeze, options, train, base }: PlanFacts): PhasePlan {
  const rates = ratesFor(options, { head: 1e-3, base: base.parts.family.fineTuningRate ?? 1e-4 });
  const batchSize = options.batchSize ?? batchFor(train, 16);
  return {
    name: 'fine-tune',
    learns: freeze.learns,
    firstGroup: freeze.learns.indexOf(true),
    epochs: options.epochs ?? 3,
    batchSize,
    weightDecay: options.weightDecay ?? 0.01,
    rates,
  };
}

/** Epochs of a head on cached features: they cost next to nothing, so there are enough for early stopping to choose from. */
const headEpochsFor = (examples: number): number => (examples < 2000 ? 50 : 30);

function phasesFor(facts: PlanFacts): PhasePlan[] {
  const { options, train, freeze } = facts;
  if (!freeze.learns.includes(true)) return [headPhase(facts, options.epochs ?? options.headEpochs ?? headEpochsFor(train))];
  const headEpochs = options.headEpochs ?? 10;
  return headEpochs === 0 ? [fineTunePhase(facts)] : [headPhase(facts, headEpochs), fineTunePhase(facts)];
}

function phaseWords(facts: PlanFacts, phase: PhasePlan): string {
  const names = facts.base.groups.map((group) => group.name);
  const learning = names.filter((_, index) => phase.learns[index]);
  const what =
    learning.length === 0
      ? 'the head alone'
      : learning.length === names.length
        ? 'the head and the whole base'
        : `the head and ${learning.join(', ')}`;
  const rates = learning.length === 0 ? `${phase.rates.head}` : `${phase.rates.head} (head), ${phase.rates.base} (base)`;
  return `${phase.name}: ${what} for up to ${plural(phase.epochs, 'epoch')}, ${phase.batchSize} examples a step, AdamW with peak rate ${rates} and decay ${phase.weightDecay}, warm-up then cosine`;
}

function cacheWords(facts: PlanFacts, phases: readonly PhasePlan[]): string {
  const first = phases[phases.length - 1]!.firstGroup;
  const names = facts.base.groups.map((group) => group.name);
  if (first === 0) return 'the whole base learns, so it runs at every step and no features are cached';
  const cut =
    first === names.length
      ? 'the base is frozen: it'
      : `${names.slice(0, first).length === 1 ? names[0] : `${names[0]} to ${names[first - 1]}`} are frozen: this part`;
  return `${cut} runs once per example and its outputs are cached in memory (up to ${Math.round((facts.options.cacheBytes ?? defaultCacheBytes) / 2 ** 20)} MiB); only what is behind trains`;
}

function decisionsFor(facts: PlanFacts, phases: readonly PhasePlan[], stopping: TrainingPlan['earlyStopping']): string[] {
  const { options, freeze, train, validation } = facts;
  const words = [
    ...(facts.baseReason === undefined ? [] : [facts.baseReason]),
    `${plural(train, 'training example')}, ${plural(validation, 'validation example')}: ${facts.validationReason}`,
    cacheWords(facts, phases),
    ...phases.map((phase) => phaseWords(facts, phase)),
  ];
  if (freeze.learns.includes(true))
    words.push(
      freeze.normalization === 'inference'
        ? 'normalisation keeps the statistics of the checkpoint'
        : 'normalisation of learning groups uses and updates batch statistics',
    );
  if (phases.length > 1) words.push('the head is trained first, so that its random start does not damage the pretrained layers');
  words.push(
    stopping === null
      ? 'no early stopping: every epoch runs and the last weights are kept'
      : `stops a phase after ${plural(stopping.patience, 'epoch')} without a better validation ${stopping.monitor}, and restores the best weights`,
  );
  if (options.classWeights !== undefined)
    words.push(
      options.classWeights === 'balanced'
        ? 'rare classes weigh more in the loss (balanced)'
        : `class weights ${JSON.stringify(options.classWeights)}`,
    );
  if (options.labelSmoothing) words.push(`label smoothing ${options.labelSmoothing}`);
  return words;
}

const defaultCacheBytes = 2 * 2 ** 30;

/** Early stopping needs validation examples; `false` turns it off. */
function stoppingFor({ options, validation }: PlanFacts): TrainingPlan['earlyStopping'] {
  if (options.earlyStopping === false || validation === 0) return null;
  return { patience: options.earlyStopping?.patience ?? 5, monitor: options.earlyStopping?.monitor ?? 'loss' };
}

/** Makes the plan of a run from the data's size, the base and the options. */
export function makePlan(facts: PlanFacts): TrainingPlan {
  const { options } = facts;
  const phases = phasesFor(facts);
  const earlyStopping = stoppingFor(facts);
  const decisions = decisionsFor(facts, phases, earlyStopping);
  return {
    phases,
    examples: { train: facts.train, validation: facts.validation },
    normalization: facts.freeze.normalization,
    warmup: options.warmup ?? 0.1,
    gradientClip: options.gradientClip ?? 1,
    labelSmoothing: options.labelSmoothing ?? 0,
    classWeights: options.classWeights ?? null,
    earlyStopping,
    seed: options.seed ?? 42,
    cacheBytes: options.cacheBytes ?? defaultCacheBytes,
    decisions,
    describe: () => ['Training plan', ...decisions.map((decision) => `  - ${decision}`)].join('\n'),
  };
}
