import { TransferKitError } from '../errors.js';
import type { Outcome } from '../heads/head.js';
import { bootstrap, type BootstrapIntervals } from './bootstrap.js';
import { averageMetrics, classMetrics, confusionMatrix, countsOf, type AverageMetrics, type ClassMetrics } from './class-metrics.js';
import { classificationSummary } from './classification-summary.js';
import type { Report } from './report.js';

/** How many examples of each class were given which label. */
export interface Confusion<Label extends string = string> {
  readonly labels: readonly Label[];
  /** matrix[true][predicted], in the order of `labels`. */
  readonly matrix: readonly (readonly number[])[];
}

/** The figures of a classifier, as plain data. */
export interface ClassificationFigures<Label extends string = string> {
  readonly count: number;
  /** Mean loss. */
  readonly loss: number;
  /** Part of the examples that got their own label. */
  readonly accuracy: number;
  /** By k: part of the examples whose label is among the k most probable. From 1 to 5, or to one less than there are labels. */
  readonly topK: Readonly<Record<number, number>>;
  readonly perClass: Readonly<Record<Label, ClassMetrics>>;
  /** Mean over the classes that occur or are predicted. */
  readonly macro: AverageMetrics;
  /** Mean over the classes, weighted by their number of examples. */
  readonly weighted: AverageMetrics;
  readonly confusion: Confusion<Label>;
  /** What always answering the most frequent label would reach. */
  readonly baseline: { readonly label: Label; readonly accuracy: number };
  /** 95 % intervals: how far the figures would move with another sample of this size. */
  readonly interval: BootstrapIntervals;
}

/** The verdict on a classifier. Definitions as in scikit-learn, with 0 where there is nothing to divide by. */
export interface ClassificationReport<Label extends string = string> extends Report, ClassificationFigures<Label> {
  readonly count: number;
}

/** An outcome of a classifier. */
type ClassOutcome<Label extends string> = Outcome<Label, { readonly label: Label; readonly scores: Readonly<Record<Label, number>> }>;

/** What `classificationReport` is made from. */
export interface ClassificationReportOptions<Label extends string> {
  /** All labels, in the order of the confusion matrix. */
  readonly labels: readonly Label[];
  readonly outcomes: readonly ClassOutcome<Label>[];
  /** Seed of the bootstrap. */
  readonly seed: number;
  /** Largest k of the top-k accuracy. Default 5, or one less than there are labels. */
  readonly topK?: number;
}

function labelIndex(label: string, id: string, indices: ReadonlyMap<string, number>): number {
  const index = indices.get(label);
  if (index !== undefined) return index;
  throw new TransferKitError(
    'bad-data',
    `example "${id}" has the label "${label}", which the report does not know.\n  Known: ${[...indices.keys()].slice(0, 20).join(', ')}`,
    { details: { id, label } },
  );
}

/** How many labels are scored above the true one; the earlier of equals counts as higher, as for the predicted label. */
function rankOfTruth<Label extends string>(outcome: ClassOutcome<Label>, truth: number, labels: readonly Label[]): number {
  const own = outcome.prediction.scores[outcome.target];
  let rank = 0;
  labels.forEach((label, index) => {
    const score = outcome.prediction.scores[label];
    if (score > own || (score === own && index < truth)) rank++;
  });
  return rank;
}

function topKAccuracy<Label extends string>(
  outcomes: readonly ClassOutcome<Label>[],
  actual: Int32Array,
  labels: readonly Label[],
  wanted?: number,
): Record<number, number> {
  const largest = Math.min(wanted ?? 5, labels.length - 1);
  if (wanted !== undefined && (!Number.isInteger(wanted) || wanted < 1)) {
    throw new TransferKitError('bad-option', `topK must be a whole number of at least 1.\n  Received: ${String(wanted)}`);
  }
  const found = new Int32Array(labels.length);
  outcomes.forEach((outcome, index) => found[rankOfTruth(outcome, actual[index]!, labels)]!++);
  let sum = 0;
  return Object.fromEntries(Array.from({ length: largest }, (_, rank) => [rank + 1, (sum += found[rank]!) / outcomes.length]));
}

/** The most frequent label and how often it is right. */
function majority<Label extends string>(
  perClass: readonly ClassMetrics[],
  labels: readonly Label[],
  count: number,
): { label: Label; accuracy: number } {
  const best = perClass.reduce((leader, metrics, index) => (metrics.support > perClass[leader]!.support ? index : leader), 0);
  return { label: labels[best]!, accuracy: perClass[best]!.support / count };
}

/** Headline figures, `loss` first. The largest k of the top-k accuracies is among them where it says more than accuracy. */
function headline(figures: ClassificationFigures): Record<string, number> {
  const largest = Object.keys(figures.topK).length;
  const topK = largest > 1 ? { [`top${largest}Accuracy`]: figures.topK[largest]! } : {};
  return { loss: figures.loss, accuracy: figures.accuracy, ...topK, macroF1: figures.macro.f1, weightedF1: figures.weighted.f1 };
}

function figuresOf<Label extends string>({
  labels,
  outcomes,
  seed,
  topK,
}: ClassificationReportOptions<Label>): ClassificationFigures<Label> {
  const indices = new Map<string, number>(labels.map((label, index) => [label, index]));
  const actual = Int32Array.from(outcomes, ({ target, id }) => labelIndex(target, id, indices));
  const predicted = Int32Array.from(outcomes, ({ prediction, id }) => labelIndex(prediction.label, id, indices));
  const matrix = confusionMatrix(actual, predicted, labels.length);
  const counts = countsOf(matrix);
  const classes = counts.map(classMetrics);
  const present = counts.map((count) => (count.actual + count.predicted > 0 ? 1 : 0));
  return {
    count: outcomes.length,
    loss: outcomes.reduce((sum, outcome) => sum + outcome.loss, 0) / outcomes.length,
    accuracy: counts.reduce((sum, { hits }) => sum + hits, 0) / outcomes.length,
    topK: topKAccuracy(outcomes, actual, labels, topK),
    perClass: Object.fromEntries(labels.map((label, index) => [label, classes[index]!])) as Record<Label, ClassMetrics>,
    macro: averageMetrics(classes, present),
    weighted: averageMetrics(
      classes,
      classes.map((metrics) => metrics.support),
    ),
    confusion: { labels, matrix },
    baseline: majority(classes, labels, outcomes.length),
    interval: bootstrap({ actual, predicted, classes: labels.length, seed }),
  };
}

/**
 * The verdict on a classifier from its outcomes.
 *
 * @returns figures, `summary()` for a terminal of 80 columns, `toJSON()` for files
 * @throws TransferKitError `bad-data` when there are no outcomes or a label is not known; `bad-option`
 * @source https://scikit-learn.org/stable/modules/model_evaluation.html
 * @example
 * ```ts
 * import { evaluate } from 'transferkit';
 *
 * const report = await evaluate(model, test);
 * console.log(report.summary());
 * console.log(report.perClass.cat.recall, report.interval.accuracy.low);
 * ```
 */
export function classificationReport<Label extends string>(options: ClassificationReportOptions<Label>): ClassificationReport<Label> {
  if (options.outcomes.length === 0) {
    throw new TransferKitError('bad-data', 'there are no examples to report on.\n  Fix: evaluate on a data set with at least one example.');
  }
  const figures = figuresOf(options);
  const metrics = headline(figures);
  return {
    ...figures,
    metrics,
    summary: () => classificationSummary(figures),
    toJSON: () => ({ metrics, ...figures }),
  };
}
