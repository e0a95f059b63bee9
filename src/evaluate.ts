import { checkDataset } from './data/check-dataset.js';
import type { Dataset, SkippedItem } from './data/dataset.js';
import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from './errors.js';
import type { Report } from './evaluation/report.js';
import { headOutputs } from './inference/head-outputs.js';
import type { Outcome } from './heads/head.js';
import { collate } from './inputs/collate.js';
import type { EncodedArray, Modality } from './inputs/input.js';
import type { JsonObject } from './common/json.js';
import type { Model } from './model.js';
import { readItems, type ReadItem } from './inference/read-items.js';
import type { AnyModel } from './training/weight-set.js';

/** Options of `evaluate`. */
export interface EvaluateOptions {
  /** Seed of the bootstrap that gives the interval. Default 42. */
  readonly seed?: number;
  /** Largest k of the top-k accuracies. Default 5, or one less than there are labels. */
  readonly topK?: number;
  readonly signal?: AbortSignal;
  /** Told after every batch. */
  readonly onProgress?: (event: { readonly done: number; readonly total: number }) => void;
}

/** A report with the examples that could not be judged. */
export type Evaluated<R extends Report> = R & { readonly skipped: readonly SkippedItem[] };

/** Examples judged at once. */
const chunkSize = 64;

/**
 * Judges a model on labelled examples that it was not trained on.
 *
 * The headline figures are remembered by the model, and written by `model.save`.
 *
 * @returns the head's report; for a classifier loss, accuracy with a 95 % interval, per-class figures, confusion matrix, baseline
 * @throws TransferKitError `bad-data` for an empty set or an unknown label; what a bad item raises; `aborted`, `disposed`
 * @example
 * ```ts
 * import { evaluate, loadModel } from 'transferkit';
 * import { imageFolder } from 'transferkit/data';
 *
 * const model = await loadModel('flowers-model');
 * const report = await evaluate(model, await imageFolder('photos-test'));
 * console.log(report.summary());
 * ```
 */
export async function evaluate<M extends Modality, Target, Prediction, R extends Report, B extends number>(
  model: Model<M, Target, Prediction, R, B>,
  data: Dataset<NoInfer<M>, NoInfer<Target>> | Dataset<NoInfer<M>, string>,
  options: EvaluateOptions = {},
): Promise<Evaluated<R>> {
  model.assertUsable();
  checkDataset(data, model.base.modality);
  if (data.length === 0) throw new TransferKitError('bad-data', `there is nothing to evaluate: ${data.origin} has no examples`);
  const outcomes: Outcome<Target, Prediction>[] = [];
  const skipped: SkippedItem[] = [...data.skipped];
  for (let start = 0; start < data.length; start += chunkSize) {
    if (options.signal?.aborted)
      throw new TransferKitError('aborted', `evaluation stopped after ${start} of ${data.length} examples`, {
        cause: options.signal.reason,
      });
    const items = await readItems(model as AnyModel, data, start, Math.min(data.length, start + chunkSize), skipped);
    outcomes.push(...(await judge<Target, Prediction>(model as AnyModel, items)));
    options.onProgress?.({ done: Math.min(data.length, start + chunkSize), total: data.length });
  }
  if (outcomes.length === 0)
    throw new TransferKitError(
      'bad-data',
      `no example of ${data.origin} could be read.\n  First: ${skipped[0]?.id}: ${skipped[0]?.reason}`,
    );
  const report = model.head.report(outcomes, { seed: options.seed ?? 42, ...(options.topK === undefined ? {} : { topK: options.topK }) });
  model.record = {
    ...model.record,
    metrics: { data: data.origin, count: report.count, figures: report.metrics, report: report.toJSON() as JsonObject },
  };
  return Object.assign(report, { skipped });
}

async function judge<Target, Prediction>(model: AnyModel, items: readonly ReadItem[]): Promise<Outcome<Target, Prediction>[]> {
  if (items.length === 0) return [];
  const outputs = await headOutputs(
    model,
    items.map((item) => item.branches),
  );
  const [losses, ...metrics] = await figuresOf(model, items, outputs);
  const names = Object.keys(model.head.metrics);
  return items.map((item, index) => ({
    id: item.id,
    target: item.rawTarget as Target,
    prediction: model.head.decode(outputs[index]!, item.branches) as Prediction,
    loss: losses![index]!,
    metrics: Object.fromEntries(names.map((name, position) => [name, metrics[position]![index]!])),
  }));
}

/** The loss of each example, without label smoothing, and each metric of the head: one column a figure. */
async function figuresOf(model: AnyModel, items: readonly ReadItem[], outputs: readonly EncodedArray[][]): Promise<ArrayLike<number>[]> {
  const { head } = model;
  const columns = (rows: readonly (readonly EncodedArray[])[], padding: readonly number[]): tf.Tensor[] =>
    rows[0]!.map((_, column) =>
      collate(
        rows.map((row) => row[column]!),
        padding[column],
      ),
    );
  const figures = tf.tidy(() => {
    const scores = columns(outputs, []);
    const targets = columns(
      items.map((item) => item.target),
      head.targetPadding,
    );
    return [head.loss(scores, targets, {}), ...Object.values(head.metrics).map((metric) => metric(scores, targets))];
  });
  try {
    return await Promise.all(figures.map((figure) => figure.data()));
  } finally {
    tf.dispose(figures);
  }
}
