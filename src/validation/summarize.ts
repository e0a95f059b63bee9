import type { BootstrapIntervals, Interval } from '../evaluation/bootstrap.js';
import type { Report } from '../evaluation/report.js';
import { textTable } from '../evaluation/text-table.js';
import type { AnyHead, Outcome } from '../heads/head.js';
import type { Fold } from './deal-folds.js';

/** Figures on the examples of one fold: `loss`, and for a classifier `accuracy`, `macroF1` and the others of its report. */
export type FoldFigures = Readonly<Record<string, number>> & {
  /** From 1. */
  readonly repeat: number;
  /** From 1, within its repeat. */
  readonly fold: number;
  /** Examples judged. */
  readonly count: number;
};

/** The verdict of `crossValidate`. */
export interface CrossValidation<R extends Report> {
  readonly folds: readonly FoldFigures[];
  /** Mean of each figure over the folds. */
  readonly mean: Readonly<Record<string, number>>;
  /** Standard deviation of each figure between the folds. It says how much folds differ, not how sure the mean is. */
  readonly deviation: Readonly<Record<string, number>>;
  /**
   * 95 % intervals of the figures over all held-out predictions together, by percentile bootstrap over the examples: how far they
   * would move with another sample of this size. With repeats, the mean of their intervals: examples that are judged again are
   * no new ones. Absent for heads whose report has none.
   */
  readonly interval?: { readonly level: number; readonly accuracy: Interval; readonly macroF1: Interval };
  /** The head's report over all held-out predictions: every example once for each repeat. */
  readonly pooled: R;
  /** The verdict as text for a person. */
  describe(): string;
}

/** One fold, judged. */
export interface JudgedFold extends Fold {
  readonly report: Report;
  readonly outcomes: readonly Outcome<unknown>[];
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviationOf(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

/** A figure of all folds at once, for each figure that all have. */
function overFolds(folds: readonly JudgedFold[], combine: (values: readonly number[]) => number): Record<string, number> {
  const names = Object.keys(folds[0]!.report.metrics).filter((name) => folds.every(({ report }) => name in report.metrics));
  return Object.fromEntries(names.map((name) => [name, combine(folds.map(({ report }) => report.metrics[name]!))]));
}

const intervalsOf = (report: Report): BootstrapIntervals | undefined => (report as { readonly interval?: BootstrapIntervals }).interval;

/** The mean of the intervals of the repeats. */
function intervalOf(repeats: readonly Report[]): CrossValidation<Report>['interval'] {
  const all = repeats.map(intervalsOf).filter((intervals) => intervals !== undefined);
  if (all.length === 0) return undefined;
  const mean = (pick: (intervals: BootstrapIntervals) => Interval): Interval => ({
    low: meanOf(all.map((intervals) => pick(intervals).low)),
    high: meanOf(all.map((intervals) => pick(intervals).high)),
  });
  return { level: all[0]!.level, accuracy: mean(({ accuracy }) => accuracy), macroF1: mean(({ macroF1 }) => macroF1) };
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;

function describe(result: Omit<CrossValidation<Report>, 'describe'>, repeats: number): string {
  const { folds, mean, deviation, interval, pooled } = result;
  const names = Object.keys(mean);
  const shown = (figures: Readonly<Record<string, number>>): string[] => names.map((name) => figures[name]!.toFixed(4));
  const rows = folds.map((figures) => [
    repeats > 1 ? `${figures.repeat}.${figures.fold}` : `${figures.fold}`,
    `${figures.count}`,
    ...shown(figures),
  ]);
  const table = textTable(
    [['fold', 'examples', ...names], ...rows, ['mean', '', ...shown(mean)], ['deviation', '', ...shown(deviation)]],
    12,
  );
  const times = repeats > 1 ? `, ${repeats} times` : '';
  const lines = [
    `${folds.length / repeats}-fold cross-validation${times}: ${pooled.count / repeats} examples, each judged by a model that never saw it`,
    '',
    table,
  ];
  if (interval !== undefined)
    lines.push(
      '',
      `accuracy ${percent(pooled.metrics['accuracy']!)}, 95 % interval ${percent(interval.accuracy.low)} to ${percent(interval.accuracy.high)} (bootstrap over all held-out predictions)`,
    );
  return lines.join('\n');
}

/** Brings the folds together. */
export function summarize(head: AnyHead, folds: readonly JudgedFold[], seed: number): CrossValidation<Report> {
  const repeats = Math.max(...folds.map(({ repeat }) => repeat));
  const reportOf = (judged: readonly JudgedFold[]): Report =>
    head.report(
      judged.flatMap(({ outcomes }) => outcomes),
      { seed },
    ) as Report;
  const ofRepeats = Array.from({ length: repeats }, (_, round) => reportOf(folds.filter(({ repeat }) => repeat === round + 1)));
  const interval = intervalOf(ofRepeats);
  const result = {
    folds: folds.map(({ report, repeat, number }): FoldFigures => ({ ...report.metrics, repeat, fold: number, count: report.count })),
    mean: overFolds(folds, meanOf),
    deviation: overFolds(folds, deviationOf),
    ...(interval === undefined ? {} : { interval }),
    pooled: repeats === 1 ? ofRepeats[0]! : reportOf(folds),
  };
  return { ...result, describe: () => describe(result, repeats) };
}
