import type { Dataset } from './data/dataset.js';
import type { Report } from './evaluation/report.js';
import type { Modality } from './inputs/input.js';
import type { LoadOptions, PretrainedId } from './load-pretrained.js';
import { modelFor, requestOf, type FineTuneRequest, type OneCallOptions, type Prepared } from './model-for.js';
import type { Model, TrainingRecord } from './model.js';
import { beginTraining } from './training/begin-training.js';
import { carryOut } from './training/carry-out.js';
import { checkOptions } from './training/check-options.js';
import { checkAgainstHead, checkDisk, checkLabels, checkMixing } from './training/check-training.js';
import type { TrainingControl } from './training/control.js';
import { TrainingRun, type TrainingEvent } from './training/events.js';
import type { TrainingHistory } from './training/history.js';
import { holdOut } from './training/hold-out.js';
import type { FineTuneOptions } from './training/options.js';
import { makePlan, type TrainingPlan } from './training/plan.js';
import { progressBar, type ProgressEvent } from './training/progress.js';
import type { AnyModel } from './training/weight-set.js';
import { trainInWorker } from './workers/train-in-worker.js';

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

async function trainOn<M extends Modality, Target, Prediction, R extends Report, B extends number, Some, Held = Target>(
  model: Model<M, Target, Prediction, R, B>,
  data: Dataset<NoInfer<M>, Some> & Fitting<M, Some, Target>,
  options?: FineTuneOptions<NoInfer<M>, Held> & { readonly validation?: number | Fitting<M, Held, Target> },
): Promise<FineTuned<Model<M, Target, Prediction, R, B>>>;
async function trainOn<M extends Modality, Label extends string>(
  base: PretrainedId,
  data: Dataset<M, Label>,
  options?: FineTuneOptions<M, Label> & LoadOptions,
): Promise<FineTuned<Model<M, Label>>>;
async function trainOn(base: PretrainedId, data: string, options?: FineTuneOptions & LoadOptions): Promise<FineTuned<Model>>;
async function trainOn<M extends Modality, Label extends string>(
  data: Dataset<M, Label>,
  options?: FineTuneOptions<M, Label> & LoadOptions,
): Promise<FineTuned<Model<M, Label>>>;
async function trainOn(data: string, options?: OneCallOptions): Promise<FineTuned<Model>>;
async function trainOn(
  start: AnyModel | PretrainedId | Dataset,
  dataOrOptions?: Dataset | string | OneCallOptions,
  options?: OneCallOptions,
): Promise<FineTuned<AnyModel>> {
  return await runRequest(requestOf(start, dataOrOptions, options));
}

async function runRequest(request: FineTuneRequest): Promise<FineTuned<AnyModel>> {
  const prepared = await modelFor(request);
  try {
    return prepared.training.worker === true ? await trainAside(prepared) : await train(prepared);
  } catch (error) {
    prepared.release();
    throw error;
  }
}

/** The recipe: check, choose a strategy, hold out, plan, carry out, remember. */
async function train({ model, examples, training: options, baseReason }: Prepared): Promise<FineTuned<AnyModel>> {
  model.assertUsable();
  checkOptions(options, model.base.modality);
  checkAgainstHead(model, examples, options);
  checkDisk(model.base.parts.runtime, options.cache);
  const { chosen, freeze, undo } = beginTraining(model, examples.length, options);
  try {
    const { training, validation, reason } = holdOut(examples, options, chosen.strategy);
    checkLabels(model, training, 'training');
    if (validation !== undefined) checkLabels(model, validation, 'validation');
    const plan = makePlan({
      base: model.base,
      head: model.head,
      options,
      chosen,
      train: training.length,
      validation: validation?.length ?? 0,
      adapter: model.adapter?.recipe,
      adapterGroup: model.adapter?.firstGroup,
      adapterWords: model.adapter?.describe(),
      validationReason: reason,
      baseReason,
      normalization: freeze.normalization,
    });
    checkMixing(model, plan);
    const history = await carryOut({ model, plan, training, validation, options });
    model.base.freeze = { learns: plan.phases.at(-1)!.learns, normalization: plan.normalization };
    model.record = { ...model.record, training: recordOf(training, plan, history) };
    model.base.busy = false;
    return { model, history, plan };
  } catch (error) {
    undo();
    throw error;
  }
}

/** The same in a worker thread, with the bar in this one. */
async function trainAside({ model, examples, training: options, baseReason }: Prepared): Promise<FineTuned<AnyModel>> {
  const bar = options.progress === false ? undefined : progressBar(model.base.parts.runtime);
  const onProgress = (event: ProgressEvent): void => {
    options.onProgress?.(event);
    bar?.show(event);
  };
  try {
    return { model, ...(await trainInWorker(model, examples, { ...options, onProgress }, baseReason)) };
  } finally {
    bar?.stop();
  }
}

/** The run as plain data. */
function recordOf(data: Dataset, { describe: _describe, ...plan }: TrainingPlan, history: TrainingHistory): TrainingRecord {
  return { data: data.origin, classCounts: data.classCounts(), plan, history };
}

/**
 * The same training as a stream of events: `for await (const event of fineTune.events(...))`. The run can be paused, resumed and
 * aborted while it goes on; leaving the loop aborts it. `run.result` is what `fineTune` gives.
 *
 * @throws TransferKitError out of the loop, and by `run.result`: what `fineTune` throws
 * @example
 * ```ts
 * import { fineTune } from 'transferkit';
 *
 * const run = fineTune.events('photos/', { epochs: 3 });
 * for await (const event of run) {
 *   if (event.type === 'epoch') console.log(event.record.epoch, event.record.loss);
 * }
 * const { model } = await run.result;
 * console.log(model.labels);
 * ```
 */
function events<M extends Modality, Target, Prediction, R extends Report, B extends number, Some, Held = Target>(
  model: Model<M, Target, Prediction, R, B>,
  data: Dataset<NoInfer<M>, Some> & Fitting<M, Some, Target>,
  options?: FineTuneOptions<NoInfer<M>, Held> & { readonly validation?: number | Fitting<M, Held, Target> },
): TrainingRun<FineTuned<Model<M, Target, Prediction, R, B>>>;
function events<M extends Modality, Label extends string>(
  base: PretrainedId,
  data: Dataset<M, Label>,
  options?: FineTuneOptions<M, Label> & LoadOptions,
): TrainingRun<FineTuned<Model<M, Label>>>;
function events(base: PretrainedId, data: string, options?: FineTuneOptions & LoadOptions): TrainingRun<FineTuned<Model>>;
function events<M extends Modality, Label extends string>(
  data: Dataset<M, Label>,
  options?: FineTuneOptions<M, Label> & LoadOptions,
): TrainingRun<FineTuned<Model<M, Label>>>;
function events(data: string, options?: OneCallOptions): TrainingRun<FineTuned<Model>>;
function events(
  start: AnyModel | PretrainedId | Dataset,
  dataOrOptions?: Dataset | string | OneCallOptions,
  options?: OneCallOptions,
): TrainingRun<FineTuned<AnyModel>> {
  const request = requestOf(start, dataOrOptions, options);
  // eslint-disable-next-line @typescript-eslint/no-unsafe-return -- the overloads above say which model it is
  return new TrainingRun((emit, control) => runRequest(withEvents(request, emit, control)), request.options.control);
}

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
 * @throws TransferKitError `bad-option`, `unknown-name`, `unsupported`, `bad-data`, `nothing-to-train`, `diverged`, `aborted` (before
 *   the first step), `disposed`; with a name also what `loadPretrained` throws
 * @example
 * ```ts
 * import { fineTune } from 'transferkit';
 *
 * const { model, plan } = await fineTune('photos/'); // or fineTune('./mobilenet-v2', 'photos/')
 * console.log(plan.describe());
 * console.log(await model.predict('new.jpg'));
 * ```
 */
// Marked as pure, so that a bundler can leave it out of a page that only predicts.
export const fineTune = /* @__PURE__ */ Object.assign(trainOn, { events });

/** The request, with its events told to one more listener. */
function withEvents(request: FineTuneRequest, emit: (event: TrainingEvent) => void, control: TrainingControl): FineTuneRequest {
  const { onEvent, ...options } = request.options;
  const both = (event: TrainingEvent): void => {
    onEvent?.(event);
    emit(event);
  };
  return { ...request, options: { ...options, control, onEvent: both } };
}
