import { TransferKitError } from '../errors.js';
import { strategyOf } from './check-strategy.js';
import type { FineTuneOptions } from './options.js';
import type { AdapterRecipe } from '../adapters/recipe.js';
import type { Base, FreezeState } from '../base.js';
import { strategies, type Stage, type Strategy } from './strategy.js';

/** What a strategy is chosen from. */
export interface StrategyFacts {
  readonly base: Base;
  readonly options: FineTuneOptions;
  /** Examples, with those that may be held out. */
  readonly examples: number;
  /** Whether the head can be fitted at once. */
  readonly solvable: boolean;
  /** Recipe of the adapter that the model has or will have. */
  readonly adapter: AdapterRecipe | undefined;
  /** Which groups learn where nothing else says so. */
  readonly freeze: FreezeState;
}

/** A strategy, and why it is taken. */
export interface ChosenStrategy {
  readonly strategy: Strategy;
  readonly reason: string;
}

/** The head first, then the head and the groups that the base's freeze state says. */
function frozenAs(learns: readonly boolean[], names: readonly string[]): Strategy {
  const groups = names.filter((_, index) => learns[index]);
  if (groups.length === 0) return strategies.head();
  const fineTune: Stage = { name: 'fine-tune', unfreeze: groups.length === names.length ? 'all' : { groups } };
  return { name: 'unfreeze', stages: [{ name: 'head', unfreeze: 'none' }, fineTune] };
}

/** Options that only mean something where weights move step by step. */
const stepwise = [
  'epochs',
  'headEpochs',
  'batchSize',
  'accumulate',
  'learningRate',
  'optimizer',
  'schedule',
  'weightDecay',
  'warmup',
  'gradientClip',
  'ema',
  'averageBest',
  'mix',
  'sampling',
  'labelSmoothing',
  'focalGamma',
  'earlyStopping',
] as const satisfies readonly (keyof FineTuneOptions)[];

const given = (options: FineTuneOptions): readonly string[] => stepwise.filter((name) => options[name] !== undefined);

/** A head that is fitted at once has no steps: what speaks of them would be ignored. */
function checkMeant(strategy: Strategy, options: FineTuneOptions): void {
  const [first] = given(options);
  if (first === undefined || strategy.stages.some(({ solve }) => solve === undefined)) return;
  throw new TransferKitError(
    'bad-option',
    `${first} means nothing to the strategy "${strategy.name}", which fits the head at once.
  Fix: leave it out, or take the strategy "head".`,
    { details: { option: first } },
  );
}

/** An adapter learns in place of the base: one of the two wishes would be ignored. */
function checkFrozenBesideAdapter({ options, freeze, base }: StrategyFacts): void {
  if (options.unfreeze === undefined || !freeze.learns.includes(true)) return;
  const asked = base.groups.filter((_, index) => freeze.learns[index]).map(({ name }) => name);
  throw new TransferKitError(
    'bad-option',
    `unfreeze asks for layers of the base, and this model ${options.adapter === undefined ? 'has' : 'gets'} an adapter, which learns in their place.
  Expected: an adapter on a frozen base, or unfreeze without an adapter
  Received: unfreeze of ${asked.join(', ')}
  Fix: leave ${options.adapter === undefined ? 'unfreeze out, or merge the adapter first with model.mergeAdapter()' : 'one of unfreeze and adapter out'}.`,
    { details: { option: 'unfreeze', groups: asked } },
  );
}

/**
 * The strategy that was asked for, in whatever way; else what suits the data and the base.
 * @throws TransferKitError `bad-option` for options that contradict each other or the strategy; `unknown-name`
 */
export function chooseStrategy(facts: StrategyFacts): ChosenStrategy {
  const { base, options, adapter, freeze } = facts;
  if (options.strategy !== undefined) {
    const strategy = strategyOf(options.strategy);
    checkMeant(strategy, options);
    return { strategy, reason: `strategy "${strategy.name}", as asked` };
  }
  if (adapter !== undefined) {
    checkFrozenBesideAdapter(facts);
    return { strategy: strategies.adapter(), reason: 'strategy "adapter": the base stays as it is, and a small adapter learns' };
  }
  const names = base.groups.map((group) => group.name);
  if (freeze.learns.includes(true))
    return { strategy: frozenAs(freeze.learns, names), reason: 'strategy "unfreeze": the groups that were asked for learn' };
  return mayTune(facts) ? tuneBase(facts) : headStrategy(facts);
}

/** Weights that learn, times examples, times epochs: what a processor does in some ten minutes. */
const tuningBudget = 1e11;
/** Steps that pretrained layers need at least to come anywhere. */
const fewestSteps = 128;
const tuningBatch = 8;

/**
 * The head, fitted at once where it can be and no epochs were asked for it, then the base with it: as many groups from the output on as
 * the budget allows. The first group stays, for it turns the inputs into features, which few examples say little about.
 */
function tuneBase({ base, options, examples, solvable }: StrategyFacts): ChosenStrategy {
  const { groups } = base;
  const epochs = Math.min(20, Math.max(4, Math.ceil((fewestSteps * tuningBatch) / examples)));
  const most = tuningBudget / (examples * epochs);
  let first = groups.length;
  for (let sum = 0; first > 1 && (sum += groups[first - 1]!.parameters) <= most;) first--;
  if (first === groups.length) first--; // the last group at least
  const atOnce = solvable && options.headEpochs === undefined;
  const learning = groups.slice(first).map(({ name }) => name);
  const rest = first === 1 ? `all but ${groups[0]!.name}` : `from ${learning[0]} on, as far as some minutes of computing allow`;
  return {
    strategy: {
      name: 'tune',
      stages: [
        atOnce ? { name: 'head', unfreeze: 'none', solve: 'logistic-regression' } : { name: 'head', unfreeze: 'none' },
        { name: 'fine-tune', unfreeze: { groups: learning }, epochs, rates: { layerDecay: 0.9 } },
      ],
    },
    reason: `strategy "tune": ${base.parts.family.name} gains by training the base too; ${rest}`,
  };
}

/** Whether it is left to us what learns; another model on the same base must not be changed by the way. */
const mayTune = ({ base, options }: StrategyFacts): boolean =>
  base.parts.family.learnsByDefault === 'base' && !base.freezeIsChosen && options.unfreeze === undefined && base.models === 1;

/** What trains a head best on a frozen base. */
function headStrategy({ options, solvable }: StrategyFacts): ChosenStrategy {
  const asked = given(options);
  if (!solvable) return { strategy: strategies.head(), reason: 'strategy "head": the base is frozen, and this head learns step by step' };
  if (asked.length > 0)
    return { strategy: strategies.head(), reason: `strategy "head": the base is frozen, and ${asked.join(', ')} asked for steps` };
  return {
    strategy: strategies.linearProbe(),
    reason: 'strategy "linearProbe": the base is frozen, and a logistic regression finds the best linear head at once',
  };
}
