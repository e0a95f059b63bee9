import type { FreezeState } from './base.js';
import type { Dataset } from './data/dataset.js';
import { TransferKitError } from './errors.js';
import type { Report } from './evaluation/report.js';
import type { Modality } from './inputs/input.js';
import { learningGroups } from './layers/learning-groups.js';
import type { LoadOptions, PretrainedId } from './load-pretrained.js';
import { modelFor, requestOf, type OneCallOptions, type Prepared } from './model-for.js';
import type { Model, TrainingRecord } from './model.js';
import { checkLabels, checkLossOptions } from './training/check-training.js';
import type { TrainingHistory } from './training/history.js';
import { holdOut } from './training/hold-out.js';
import { checkOptions, type FineTuneOptions } from './training/options.js';
import { makePlan, type TrainingPlan } from './training/plan.js';
import { progressReporter } from './training/progress.js';
import { runPlan } from './training/run-plan.js';
import type { AnyModel } from './training/weight-set.js';

/** What `fineTune` gives back. */
export interface FineTuned<ModelType> {
  readonly model: ModelType;
  readonly history: TrainingHistory;
  readonly plan: TrainingPlan;
}

/** Data fits when its labels are among the model's, or are only known when the program runs, and are then compared. */
type Fitting<M extends Modality, Some, Target> = [Some] extends [Target]
  ? unknown
  : string extends Some
    ? unknown
    : Dataset<NoInfer<M>, NoInfer<Target>>;

/**
 * Trains a model on labelled examples and leaves the best weights in it.
 *
 * First a plan is made, which `plan.describe()` tells in plain words. The frozen part of the base runs once per example and its
 * outputs are cached; only what lies behind trains, with AdamW, warm-up and cosine. When layers of the base learn, the head is
 * trained first. Validation after every epoch decides which weights are kept.
 *
 * Given a name or a source instead of a model, it loads the base, makes a classifier for the labels found in the data (a folder
 * of photos, or a table) and trains that. Given nothing but data, it takes the base that ships with the package for data of that
 * kind: `image-small` for a folder of photos, `text-small` for a table.
 *
 * @throws TransferKitError `bad-option`, `bad-data`, `nothing-to-train`, `diverged`, `aborted` (before the first step),
 *   `disposed`; with a name also what `loadPretrained` throws
 * @example
 * ```ts
 * import { fineTune } from 'transferkit';
 *
 * const { model, plan } = await fineTune('photos/'); // or fineTune('./mobilenet-v2', 'photos/')
 * console.log(plan.describe());
 * console.log(await model.predict('new.jpg'));
 * ```
 */
export async function fineTune<M extends Modality, Target, Prediction, R extends Report, B extends number, Some, Held = Target>(
  model: Model<M, Target, Prediction, R, B>,
  data: Dataset<NoInfer<M>, Some> & Fitting<M, Some, Target>,
  options?: FineTuneOptions<NoInfer<M>, Held> & { readonly validation?: number | Fitting<M, Held, Target> },
): Promise<FineTuned<Model<M, Target, Prediction, R, B>>>;
export async function fineTune<M extends Modality, Label extends string>(
  base: PretrainedId,
  data: Dataset<M, Label>,
  options?: FineTuneOptions<M, Label> & LoadOptions,
): Promise<FineTuned<Model<M, Label>>>;
export async function fineTune(base: PretrainedId, data: string, options?: FineTuneOptions & LoadOptions): Promise<FineTuned<Model>>;
export async function fineTune<M extends Modality, Label extends string>(
  data: Dataset<M, Label>,
  options?: FineTuneOptions<M, Label> & LoadOptions,
): Promise<FineTuned<Model<M, Label>>>;
export async function fineTune(data: string, options?: OneCallOptions): Promise<FineTuned<Model>>;
export async function fineTune(
  start: AnyModel | PretrainedId | Dataset,
  dataOrOptions?: Dataset | string | OneCallOptions,
  options?: OneCallOptions,
): Promise<FineTuned<AnyModel>> {
  const prepared = await modelFor(requestOf(start, dataOrOptions, options));
  try {
    return await train(prepared);
  } catch (error) {
    prepared.release();
    throw error;
  }
}

/** The recipe: hold out, plan, cache, train phase by phase, remember. */
async function train({ model, examples, training: options, baseReason }: Prepared): Promise<FineTuned<AnyModel>> {
  model.assertUsable();
  checkOptions(options);
  checkLossOptions(model, options);
  const { training, validation, reason } = holdOut(examples, options);
  checkLabels(model, training, 'training');
  if (validation !== undefined) checkLabels(model, validation, 'validation');
  const freeze = freezeFor(model, options);
  const plan = makePlan({
    base: model.base,
    options,
    train: training.length,
    validation: validation?.length ?? 0,
    validationReason: reason,
    baseReason,
    freeze,
  });
  const before = model.base.freeze;
  const { report, stop } = progressReporter(model.base.parts.runtime, options.onProgress, options.progress ?? true);
  lock(model);
  try {
    options.onPlan?.(plan);
    const history = await runPlan({ model, plan, training, validation, signal: options.signal, report });
    model.base.freeze = freeze;
    model.record = { ...model.record, training: recordOf(training, plan, history) };
    return { model, history, plan };
  } catch (error) {
    model.base.freeze = before;
    throw error;
  } finally {
    model.base.busy = false;
    stop();
  }
}

/** Which groups learn in this run, and how normalisation behaves. */
function freezeFor(model: AnyModel, options: FineTuneOptions): FreezeState {
  const { freeze, parts } = model.base;
  const names = parts.built.groups.map((group) => group.name);
  const learns = options.unfreeze === undefined ? freeze.learns : learningGroups(options.unfreeze, names);
  return { learns, normalization: options.normalization ?? freeze.normalization };
}

/** One training at a time: two would write the same weights. */
function lock(model: AnyModel): void {
  if (model.base.busy)
    throw new TransferKitError(
      'bad-option',
      'this model is being trained already, or another on the same base; wait for that run or abort it',
    );
  model.base.busy = true;
}

/** The run as plain data. */
function recordOf(data: Dataset, { describe: _describe, ...plan }: TrainingPlan, history: TrainingHistory): TrainingRecord {
  return { data: data.origin, classCounts: data.classCounts(), plan, history };
}
