import * as tf from '@tensorflow/tfjs-core';
import type { FreezeState } from './base.js';
import type { Dataset } from './data/dataset.js';
import { TransferKitError } from './errors.js';
import type { Report } from './evaluation/report.js';
import { learningGroups } from './learning-groups.js';
import { disposeAfter, uncollateAll } from './inference.js';
import { collate } from './inputs/collate.js';
import type { EncodedArray, Modality } from './inputs/input.js';
import type { LoadOptions, PretrainedId } from './load-pretrained.js';
import type { Model, TrainingRecord } from './model.js';
import { modelFor } from './model-for.js';
import { advanceStore, createFeatureStore, type FeatureStore, type StoredExample, type StoreOptions } from './training/feature-store.js';
import type { EpochRecord, TrainingHistory } from './training/history.js';
import { checkOptions, type FineTuneOptions } from './training/options.js';
import { makePlan, type PhasePlan, type TrainingPlan } from './training/plan.js';
import { progressReporter, type ProgressEvent } from './training/progress.js';
import { StepFunction } from './training/step.js';
import { PhaseRun, type PhaseResult } from './training/train-phase.js';
import { learningWeights, type AnyModel } from './training/weight-set.js';
import { createRandom } from './random.js';

/** What `fineTune` gives back. */
export interface FineTuned<ModelType> {
  readonly model: ModelType;
  readonly history: TrainingHistory;
  readonly plan: TrainingPlan;
}

/** Examples that a head looks at before the first step. */
const adaptSample = 2048;

/**
 * Trains a model on labelled examples and leaves the best weights in it.
 *
 * First a plan is made, which `plan.describe()` tells in plain words. The frozen part of the base runs once per example and its
 * outputs are cached; only what lies behind trains, with AdamW, warm-up and cosine. When layers of the base learn, the head is
 * trained first. Validation after every epoch decides which weights are kept.
 *
 * Given a name or a source instead of a model, it loads the base, makes a classifier for the labels found in the data (a folder
 * of photos, or a table) and trains that.
 *
 * @throws TransferKitError `bad-option`, `bad-data`, `nothing-to-train`, `diverged`, `aborted` (before the first step),
 *   `disposed`; with a name also what `loadPretrained` throws
 * @example
 * ```ts
 * import { fineTune } from 'transferkit';
 *
 * const { model, plan } = await fineTune('./mobilenet-v2', 'photos/');
 * console.log(plan.describe());
 * console.log(await model.predict('new.jpg'));
 * ```
 */
export async function fineTune<M extends Modality, Target, Prediction, R extends Report>(
  model: Model<M, Target, Prediction, R>,
  data: Dataset<M, Target>,
  options?: FineTuneOptions<M, Target>,
): Promise<FineTuned<Model<M, Target, Prediction, R>>>;
export async function fineTune<M extends Modality, Label extends string>(
  base: PretrainedId,
  data: Dataset<M, Label>,
  options?: FineTuneOptions<M, Label> & LoadOptions,
): Promise<FineTuned<Model<M, Label>>>;
export async function fineTune(base: PretrainedId, data: string, options?: FineTuneOptions & LoadOptions): Promise<FineTuned<Model>>;
export async function fineTune(
  start: AnyModel | PretrainedId,
  data: Dataset | string,
  options: FineTuneOptions & LoadOptions = {},
): Promise<FineTuned<AnyModel>> {
  const prepared = await modelFor(start, data, options);
  try {
    return await train(prepared.model, prepared.examples, prepared.training);
  } catch (error) {
    prepared.release();
    throw error;
  }
}

/** The recipe: hold out, plan, cache, train phase by phase, remember. */
async function train(model: AnyModel, data: Dataset, options: FineTuneOptions): Promise<FineTuned<AnyModel>> {
  model.assertUsable();
  checkOptions(options);
  checkLossOptions(model, options);
  const { training, validation, reason } = holdOut(data, options);
  checkLabels(model, training, 'training');
  if (validation !== undefined) checkLabels(model, validation, 'validation');
  const freeze = freezeFor(model, options);
  const plan = makePlan({
    base: model.base,
    options,
    train: training.length,
    validation: validation?.length ?? 0,
    validationReason: reason,
    freeze,
  });
  const before = model.base.freeze;
  const { report, stop } = progressReporter(model.base.parts.runtime, options.onProgress, options.progress ?? true);
  lock(model);
  try {
    const history = await runPlan({ model, plan, training, validation, options, report });
    model.base.freeze = freeze;
    model.record = { ...model.record, training: recordOf(training, plan, history) };
    return { model, history, plan };
  } catch (error) {
    model.base.freeze = before;
    throw error;
  } finally {
    model.busy = false;
    stop();
  }
}

/** Everything a run needs. */
interface Run {
  readonly model: AnyModel;
  readonly plan: TrainingPlan;
  readonly training: Dataset;
  readonly validation: Dataset | undefined;
  readonly options: FineTuneOptions;
  readonly report: (event: ProgressEvent) => void;
}

async function runPlan(run: Run): Promise<TrainingHistory> {
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
    skipped: [...run.training.skipped, ...train.skipped, ...(validation?.skipped ?? [])],
    seconds: { features: (featuresDone - started) / 1000, training: (performance.now() - featuresDone) / 1000 },
  };
}

/** Trains one phase. Its freeze state holds for as long as it runs. */
async function runPhase(
  { model, plan, options, report }: Run,
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
  const context = { model, plan, phase, exampleWeights, signal: options.signal, report };
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

/** Lets the head look at features and targets of training examples before the first step, as the first step will see them. */
async function adaptHead(model: AnyModel, train: FeatureStore, { phases, normalization, seed }: TrainingPlan): Promise<void> {
  if (model.head.adapt === undefined) return;
  model.base.freeze = { learns: phases[0]!.learns, normalization };
  const sample = [...createRandom(seed).fork('adapt').permutation(train.count)].slice(0, adaptSample);
  const step = new StepFunction(model, train.firstGroup, {}, createRandom(seed));
  const examples: StoredExample[] = [];
  const columns: EncodedArray[][] = model.headModel.inputs.map(() => []);
  for (let start = 0; start < sample.length; start += 32) {
    const batch = await train.read(sample.slice(start, start + 32));
    examples.push(...batch);
    (await uncollateAll(step.features(batch))).forEach((rows, column) => columns[column]!.push(...rows));
  }
  const features = columns.map((rows) => collate(rows));
  const targets = examples[0]!.target.map((_, index) =>
    collate(
      examples.map((example) => example.target[index]!),
      model.head.targetPadding[index],
    ),
  );
  disposeAfter([...features, ...targets], () => tf.tidy(() => model.head.adapt!(model.headModel, features, targets)));
}

function storeOptions({ plan, options, report }: Run, data: Dataset): StoreOptions {
  const onItems = (done: number, total: number): void =>
    report({ stage: 'features', phase: plan.phases[0]!.name, done, total, epoch: 0, figures: {} });
  const share = data.length / (plan.examples.train + plan.examples.validation);
  return { budget: plan.cacheBytes * share, onItems, ...(options.signal === undefined ? {} : { signal: options.signal }) };
}

function weightsOf(model: AnyModel, train: FeatureStore, plan: TrainingPlan): Float32Array {
  if (plan.classWeights === null) return new Float32Array(train.count).fill(1);
  return model.head.exampleWeights!(train.targets, plan.classWeights);
}

/** Below this many examples a held-out part would say little and cost much. */
const enoughToHoldOut = 100;

function holdOut(data: Dataset, options: FineTuneOptions): { training: Dataset; validation: Dataset | undefined; reason: string } {
  const { validation: wanted } = options;
  if (wanted !== undefined && typeof wanted !== 'number')
    return { training: data, validation: wanted.length === 0 ? undefined : wanted, reason: 'validation as given' };
  const fraction = wanted ?? (data.length < enoughToHoldOut ? 0 : 0.1);
  if (fraction === 0)
    return {
      training: data,
      validation: undefined,
      reason: wanted === 0 ? 'no validation, as asked' : `too few to hold any out (fewer than ${enoughToHoldOut})`,
    };
  const parts = data.split({ validation: fraction, seed: options.seed ?? 42 });
  return {
    training: parts.train,
    validation: parts.validation,
    reason: `${Math.round(fraction * 100)} % held out, in the proportions of the labels`,
  };
}

/** Labels that the head does not know are found before anything is computed. */
function checkLabels(model: AnyModel, data: Dataset, part: string): void {
  const known = model.head.card.labels;
  if (known === undefined) return;
  const unknown = data.labels.filter((label) => !known.includes(label));
  if (unknown.length === 0) return;
  throw new TransferKitError(
    'bad-data',
    `the ${part} data (${data.origin}) has labels that the model does not know: ${unknown.map((label) => `"${label}"`).join(', ')}.\n  Known: ${known.join(', ')}\n  Fix: remove these examples, or make the head with all labels.`,
    { details: { unknown, known } },
  );
}

function checkLossOptions(model: AnyModel, options: FineTuneOptions): void {
  const { head } = model;
  if (options.labelSmoothing !== undefined && !head.lossOptions.includes('labelSmoothing'))
    throw new TransferKitError('bad-option', `labelSmoothing means nothing to the head "${head.name}"`);
  if (options.classWeights !== undefined && head.exampleWeights === undefined)
    throw new TransferKitError('bad-option', `classWeights mean nothing to the head "${head.name}"`);
}

function freezeFor(model: AnyModel, options: FineTuneOptions): FreezeState {
  const { freeze, parts } = model.base;
  const learns =
    options.unfreeze === undefined
      ? freeze.learns
      : learningGroups(
          options.unfreeze,
          parts.built.groups.map((group) => group.name),
        );
  return { learns, normalization: options.normalization ?? freeze.normalization };
}

function lock(model: AnyModel): void {
  if (model.busy) throw new TransferKitError('bad-option', 'this model is being trained already; wait for that run or abort it');
  model.busy = true;
}

/** The run as plain data. */
function recordOf(data: Dataset, { describe: _describe, ...plan }: TrainingPlan, history: TrainingHistory): TrainingRecord {
  return { data: data.origin, classCounts: data.classCounts(), plan, history };
}
