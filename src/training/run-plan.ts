import type { Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import { createRandom } from '../common/random.js';
import { adaptHead } from './adapt-head.js';
import { advanceStore, createFeatureStore, type FeatureStore, type StoreOptions } from './feature-store.js';
import type { EpochRecord, TrainingHistory } from './history.js';
import type { PhasePlan, TrainingPlan } from './plan.js';
import type { ProgressEvent } from './progress.js';
import { PhaseRun, type PhaseResult } from './train-phase.js';
import { learningWeights, type AnyModel } from './weight-set.js';

/** Everything a run needs. */
export interface Run {
  readonly model: AnyModel;
  readonly plan: TrainingPlan;
  readonly training: Dataset;
  readonly validation: Dataset | undefined;
  readonly signal: AbortSignal | undefined;
  readonly report: (event: ProgressEvent) => void;
}

/** Carries out a plan: caches features, then trains phase after phase. */
export async function runPlan(run: Run): Promise<TrainingHistory> {
  const { model, plan } = run;
  const started = performance.now();
  const deepest = plan.phases[plan.phases.length - 1]!.firstGroup;
  const train = await createFeatureStore(model, run.training, deepest, {
    ...storeOptions(run, run.training),
    random: createRandom(plan.seed).fork('corrupt'),
  });
  const validation = run.validation && (await createFeatureStore(model, run.validation, deepest, storeOptions(run, run.validation)));
  await adaptHead(model, train, plan);
  const featuresDone = performance.now();
  const results: (PhaseResult & { readonly name: string })[] = [];
  for (const phase of plan.phases) {
    if (results.at(-1)?.ended === 'aborted') break;
    results.push({ name: phase.name, ...(await runPhase(run, phase, train, validation)) });
  }
  return {
    epochs: results.flatMap((result): readonly EpochRecord[] => result.epochs),
    best: Object.fromEntries(results.map((result) => [result.name, result.bestEpoch])),
    ended: results.at(-1)!.ended,
    // Parts of one data set share what was left out when it was read.
    skipped: [...new Set([...run.training.skipped, ...(run.validation?.skipped ?? []), ...train.skipped, ...(validation?.skipped ?? [])])],
    seconds: { features: (featuresDone - started) / 1000, training: (performance.now() - featuresDone) / 1000 },
  };
}

/** Trains one phase. Its freeze state holds for as long as it runs. */
async function runPhase(
  { model, plan, signal, report }: Run,
  phase: PhasePlan,
  train: FeatureStore,
  validation: FeatureStore | undefined,
): Promise<PhaseResult> {
  model.base.freeze = { learns: phase.learns, normalization: plan.normalization };
  if (learningWeights(model).length === 0)
    throw new TransferKitError(
      'nothing-to-train',
      `every weight is frozen in phase "${phase.name}" and the head has none of its own.\n  Fix: pass unfreeze, for example { last: 1 }.`,
    );
  const exampleWeights = weightsOf(model, train, plan);
  const context = { model, plan, phase, exampleWeights, signal, report };
  const phaseRun = new PhaseRun({
    ...context,
    train: await advanceStore(model, train, phase.firstGroup),
    validation: validation && (await advanceStore(model, validation, phase.firstGroup)),
  });
  try {
    return await phaseRun.run();
  } finally {
    phaseRun.dispose();
  }
}

function storeOptions({ plan, signal, report }: Run, data: Dataset): StoreOptions {
  const onItems = (done: number, total: number): void =>
    report({ stage: 'features', phase: plan.phases[0]!.name, done, total, epoch: 0, figures: {} });
  const share = data.length / (plan.examples.train + plan.examples.validation);
  return { budget: plan.cacheBytes * share, onItems, ...(signal === undefined ? {} : { signal }) };
}

function weightsOf(model: AnyModel, train: FeatureStore, plan: TrainingPlan): Float32Array {
  if (plan.classWeights === null) return new Float32Array(train.count).fill(1);
  return model.head.exampleWeights!(train.targets, plan.classWeights);
}
