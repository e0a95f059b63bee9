import { addHead } from './add-head.js';
import { baseAndData, labelsOf, splitLoadOptions, type Start } from './base-and-data.js';
import type { Base } from './base.js';
import { createDataset } from './data/create-dataset.js';
import type { DataItem, Dataset } from './data/dataset.js';
import { TransferKitError } from './errors.js';
import { evaluate } from './evaluate.js';
import type { ClassificationReport } from './evaluation/classification-report.js';
import type { Report } from './evaluation/report.js';
import { fineTune } from './fine-tune.js';
import { classification } from './heads/classification.js';
import type { AnyHead, Outcome } from './heads/head.js';
import type { Modality } from './inputs/input.js';
import type { LoadOptions, PretrainedId } from './load-pretrained.js';
import type { Model } from './model.js';
import type { FineTuneOptions } from './training/options.js';
import type { AnyModel } from './training/weight-set.js';
import { checkFoldOptions, foldOptionNames, type CrossValidateOptions, type FoldOptions } from './validation/fold-options.js';
import { dealFolds, type Fold } from './validation/deal-folds.js';
import { onFeatures } from './validation/on-features.js';
import { summarize, type CrossValidation } from './validation/summarize.js';
import { takeBaseSnapshot } from './validation/base-snapshot.js';

/**
 * Judges a recipe on few examples: the data are dealt into k folds, and each is judged by a model that was trained on the others.
 * So every example is judged once, by a model that never saw it. Each fold starts from the same weights, and a base or model that
 * was given is as it was afterwards; under a frozen base the features are computed once for all folds.
 *
 * @param data labelled examples, or the path of some
 * @param options folds (5), repeats (1), and the options of `fineTune`
 * @returns figures of each fold, their mean, the report over all held-out predictions and its 95 % interval
 * @throws TransferKitError `bad-data` where a label has one example; `bad-option`, `unknown-name`, `aborted`; what `fineTune` throws
 * @source Kohavi, "A study of cross-validation and bootstrap for accuracy estimation and model selection", 1995
 * @example
 * ```ts
 * import { crossValidate } from 'transferkit';
 * import { imageFolder } from 'transferkit/data';
 *
 * const verdict = await crossValidate('./mobilenet-v2', await imageFolder('photos'), { folds: 5 });
 * console.log(verdict.describe());
 * console.log(verdict.mean.accuracy, verdict.interval?.accuracy);
 * ```
 */
export async function crossValidate<M extends Modality, Target, Prediction, R extends Report, B extends number>(
  model: Model<M, Target, Prediction, R, B>,
  data: Dataset<NoInfer<M>, NoInfer<Target>>,
  options?: CrossValidateOptions<NoInfer<M>, NoInfer<Target>>,
): Promise<CrossValidation<R>>;
export async function crossValidate<M extends Modality, Label extends string>(
  base: Base<M> | PretrainedId,
  data: Dataset<M, Label>,
  options?: CrossValidateOptions<M, Label> & LoadOptions,
): Promise<CrossValidation<ClassificationReport<Label>>>;
export async function crossValidate(
  base: PretrainedId,
  data: string,
  options?: CrossValidateOptions & LoadOptions,
): Promise<CrossValidation<ClassificationReport>>;
export async function crossValidate(
  start: Start,
  data: Dataset | string,
  options: CrossValidateOptions & LoadOptions = {},
): Promise<CrossValidation<Report>> {
  checkFoldOptions(options);
  const { load, rest } = splitLoadOptions(options);
  const { base, model, examples, loaded } = await baseAndData(start, data, load);
  base.holders++; // the models of the folds come and go, the base stays
  try {
    const head = model?.head ?? headFor(examples);
    return await run({ base, head, examples, options: rest });
  } finally {
    base.holders--;
    if (loaded) base.dispose();
  }
}

function headFor(examples: Dataset): AnyHead {
  labelsOf(examples);
  return classification(examples.labels);
}

/** What is judged. */
interface Trial {
  readonly base: Base;
  readonly head: AnyHead;
  readonly examples: Dataset;
  readonly options: CrossValidateOptions;
}

async function run(trial: Trial): Promise<CrossValidation<Report>> {
  const { base, head, options } = trial;
  const training = trainingOptions(options);
  const folds = dealFolds(trial.examples, options);
  const snapshot = takeBaseSnapshot(base);
  try {
    const frozen = await staysFrozen(trial, folds[0]!, training);
    const place = frozen ? await onFeatures(base, head, trial.examples, options.signal) : undefined;
    const judged = place ?? { base, examples: trial.examples, training: {}, dispose: () => undefined };
    try {
      const results = [];
      for (const fold of folds) {
        snapshot.restore();
        const result = await judge({ ...trial, base: judged.base, examples: judged.examples }, fold, { ...training, ...judged.training });
        results.push({ ...fold, ...result });
        options.onFold?.({
          repeat: fold.repeat,
          fold: fold.number,
          done: results.length,
          total: folds.length,
          metrics: result.report.metrics,
        });
      }
      return summarize(head, results, options.seed ?? 42);
    } finally {
      judged.dispose();
    }
  } finally {
    snapshot.restore();
    snapshot.dispose();
  }
}

/** The options of `fineTune` among all. */
function trainingOptions(options: CrossValidateOptions): FineTuneOptions {
  const own: readonly string[] = foldOptionNames;
  const training = Object.fromEntries(Object.entries(options).filter(([name]) => !own.includes(name)));
  return { progress: false, ...training };
}

/** Some of the examples as a data set, without what could not be read. */
function part({ modality, items, origin, onBadItem }: Dataset, keep: (item: DataItem) => boolean): Dataset {
  return createDataset({ modality, origin, onBadItem, items: items.filter(keep) });
}

/** Trains on the other folds and judges this one. The head remembers each verdict. */
async function judge(
  { base, head, examples, options }: Trial,
  { testIds }: Fold,
  training: FineTuneOptions,
): Promise<{ report: Report; outcomes: readonly Outcome<unknown>[] }> {
  let outcomes: readonly Outcome<unknown>[] = [];
  const listening: AnyHead = {
    ...head,
    report(all, reportOptions) {
      outcomes = all;
      return head.report(all, reportOptions) as Report;
    },
  };
  const model = addHead(base, listening, { seed: options.seed ?? 42 }) as AnyModel;
  try {
    const isTest = (item: DataItem): boolean => testIds.has(item.id);
    const { history } = await fineTune(
      model,
      part(examples, (item) => !isTest(item)),
      training,
    );
    if (history.ended === 'aborted') throw aborted(options.signal);
    const { signal } = options;
    const report = await evaluate(model, part(examples, isTest) as Dataset<Modality, string>, signal && { signal });
    return { report, outcomes };
  } finally {
    model.dispose();
  }
}

const aborted = (signal: AbortSignal | undefined): TransferKitError =>
  new TransferKitError('aborted', 'cross-validation was stopped before every fold was judged; nothing was changed', {
    cause: signal?.reason,
  });

/** Thrown by the listener that has seen enough. */
class PlanKnown extends Error {}

/** Whether no layer of the base will learn and no input be changed, by the plan that `fineTune` makes for a fold. */
async function staysFrozen({ base, head, examples, options }: Trial, { testIds }: Fold, training: FineTuneOptions): Promise<boolean> {
  const readsInputs = head.corrupt !== undefined || head.encode.length > 1 || head.decode.length > 1;
  if (readsInputs || options.augment !== undefined || typeof options.validation === 'object') return false;
  const model = addHead(base, head) as AnyModel;
  let frozen = false;
  const { onEvent: _onEvent, onProgress: _onProgress, ...silent } = training;
  try {
    await fineTune(
      model,
      part(examples, ({ id }) => !testIds.has(id)),
      {
        ...silent,
        onPlan(plan) {
          frozen = plan.phases.every((phase) => phase.firstGroup === base.groups.length);
          throw new PlanKnown();
        },
      },
    );
  } catch (error) {
    if (!(error instanceof PlanKnown)) throw error;
  } finally {
    model.dispose();
  }
  return frozen;
}

export type { CrossValidateOptions, CrossValidation, FoldOptions };
