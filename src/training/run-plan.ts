import type { Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import { adaptHead } from './adapt-head.js';
import type { TrainingControl } from './control.js';
import type { UntimedEvent } from './events.js';
import { advanceStore, type FeatureStore } from './feature-store.js';
import type { EpochRecord, TrainingHistory } from './history.js';
import { openStores, type StoreChoices, type Stores } from './open-stores.js';
import type { PhaseState } from './phase-state.js';
import type { PhasePlan, TrainingPlan } from './plan.js';
import type { RunCheckpoints, SavedRun } from './run-checkpoints.js';
import { solveHead } from './solve-head.js';
import { PhaseRun, type PhaseContext, type PhaseResult } from './train-phase.js';
import { learningWeights, type AnyModel } from './weight-set.js';

/** Everything a run needs. */
export interface Run {
  readonly model: AnyModel;
  readonly plan: TrainingPlan;
  readonly training: Dataset;
  readonly validation: Dataset | undefined;
  readonly control: TrainingControl;
  readonly emit: (event: UntimedEvent) => void;
  readonly stores: StoreChoices;
  readonly checkpoints: RunCheckpoints | undefined;
  /** Where an earlier process was cut off; its weights are in the model. */
  readonly saved: SavedRun | undefined;
}

/** A phase that is over. */
export interface NamedResult extends PhaseResult {
  readonly name: string;
}

/** Carries out a plan: caches features, then trains phase after phase; or goes on where a checkpoint was written. */
export async function runPlan(run: Run): Promise<TrainingHistory> {
  const { plan, saved } = run;
  const started = performance.now();
  const stores = await openStores(run);
  try {
    if (saved === undefined) await adaptHead(run.model, stores.train, plan);
    const featuresDone = performance.now();
    const results: NamedResult[] = [...(saved?.results ?? [])];
    for (let index = results.length; index < plan.phases.length; index++) {
      if (results.at(-1)?.ended === 'aborted') break;
      const inside = index === saved?.results.length ? saved.phase : undefined;
      results.push({ name: plan.phases[index]!.name, ...(await runPhase(run, { index, results, stores, inside })) });
    }
    const history = historyOf(run, stores, results, { features: featuresDone - started, training: performance.now() - featuresDone });
    if (history.ended !== 'aborted') await run.checkpoints?.finish(results, history);
    return history;
  } finally {
    await stores.close();
  }
}

function historyOf(
  { training, validation }: Run,
  stores: Stores,
  results: readonly NamedResult[],
  milliseconds: { features: number; training: number },
): TrainingHistory {
  return {
    epochs: results.flatMap((result): readonly EpochRecord[] => result.epochs),
    best: Object.fromEntries(results.map((result) => [result.name, result.bestEpoch])),
    ended: results.at(-1)!.ended,
    // Parts of one data set share what was left out when it was read.
    skipped: [
      ...new Set([...training.skipped, ...(validation?.skipped ?? []), ...stores.train.skipped, ...(stores.validation?.skipped ?? [])]),
    ],
    seconds: { features: milliseconds.features / 1000, training: milliseconds.training / 1000 },
  };
}

interface PhaseStart {
  readonly index: number;
  readonly results: readonly NamedResult[];
  readonly stores: Stores;
  /** Where the phase was cut off. */
  readonly inside: PhaseState | undefined;
}

/** Trains one phase. Its freeze state holds for as long as it runs. */
async function runPhase(run: Run, { index, results, stores, inside }: PhaseStart): Promise<PhaseResult> {
  const { model, plan, control, emit, checkpoints } = run;
  const phase = plan.phases[index]!;
  model.base.freeze = { learns: phase.learns, normalization: plan.normalization };
  checkLearns(model, phase);
  const advance = (store: FeatureStore): Promise<FeatureStore> => advanceStore(model, store, phase.firstGroup);
  const context: PhaseContext = {
    model,
    plan,
    phase,
    train: await advance(stores.train),
    validation: stores.validation && (await advance(stores.validation)),
    exampleWeights: weightsOf(model, stores.train, plan),
    epochsBefore: results.reduce((sum, { epochs }) => sum + epochs.length, 0),
    control,
    emit,
    checkpoint: async (state, moment) => checkpoints?.step({ results, phase: state }, moment),
  };
  emit(phaseEvent(context, inside));
  const result = phase.solve === null ? await trainPhase(context, inside) : await solveHead(context, phase.solve);
  // One that moves step by step has written down where it stood; a solver goes on from its start.
  if (result.ended === 'aborted' && phase.solve !== null) await checkpoints?.step({ results }, { now: true });
  const named = { name: phase.name, ...result };
  if (result.ended !== 'aborted' && index + 1 < plan.phases.length) await checkpoints?.step({ results: [...results, named] });
  return result;
}

function phaseEvent({ phase, train }: PhaseContext, inside: PhaseState | undefined): UntimedEvent {
  const batches = phase.solve === null ? Math.ceil(train.count / phase.batchSize) : 0;
  const done = inside === undefined ? 0 : (inside.epoch - 1) * batches + inside.batch;
  return { type: 'phase', phase: phase.name, steps: phase.epochs * batches, epochs: phase.epochs, done };
}

async function trainPhase(context: PhaseContext, inside: SavedRun['phase']): Promise<PhaseResult> {
  const phaseRun = new PhaseRun(context);
  try {
    if (inside !== undefined) phaseRun.restore(inside);
    return await phaseRun.run();
  } finally {
    phaseRun.dispose();
  }
}

function checkLearns(model: AnyModel, phase: PhasePlan): void {
  if (learningWeights(model, phase).length > 0) return;
  throw new TransferKitError(
    'nothing-to-train',
    `every weight is frozen in phase "${phase.name}" and the head has none of its own.\n  Fix: pass unfreeze, for example { last: 1 }.`,
  );
}

/** What each example counts in the loss: its own weight, times that of its class. */
function weightsOf(model: AnyModel, train: FeatureStore, plan: TrainingPlan): Float32Array {
  const ofClasses = plan.classWeights === null ? undefined : model.head.exampleWeights!(train.targets, plan.classWeights);
  const weights = train.weights.map((weight, index) => weight * (ofClasses?.[index] ?? 1));
  if (weights.some((weight) => weight > 0)) return weights;
  throw new TransferKitError(
    'bad-data',
    'every training example has weight 0, so there is nothing to learn from.\n  Fix: give some of them a weight above 0, or leave the weights out.',
  );
}
