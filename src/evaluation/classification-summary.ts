import type { Interval } from './bootstrap.js';
import type { AverageMetrics } from './class-metrics.js';
import type { ClassificationFigures } from './classification-report.js';
import { fitText, textTable } from './text-table.js';

/** A confusion matrix with more classes than this does not fit 80 columns. */
const largestMatrix = 12;
/** With more classes than this, only the weakest are listed. */
const longestTable = 100;
const weakestShown = 20;
const pairsShown = 10;

const figure = (value: number): string => value.toFixed(3);
const whole = (value: number): string => value.toLocaleString('en-US');

const range = (interval: Interval, level: number): string =>
  `(${Math.round(level * 100)} % interval ${figure(interval.low)} to ${figure(interval.high)})`;

/** The headline: what was reached, how sure that is, what guessing would reach. */
function headlines({ count, loss, accuracy, topK, macro, weighted, baseline, interval, confusion }: ClassificationFigures): string {
  const largest = Object.keys(topK).length;
  const rows = [
    ['accuracy', figure(accuracy), range(interval.accuracy, interval.level)],
    ...(largest > 1 ? [[`top-${largest} accuracy`, figure(topK[largest]!), '']] : []),
    ['macro F1', figure(macro.f1), range(interval.macroF1, interval.level)],
    ['weighted F1', figure(weighted.f1), ''],
    ['loss', figure(loss), ''],
    ['baseline', figure(baseline.accuracy), `(always "${fitText(baseline.label, 40)}")`],
  ];
  const lines = rows.map(([name, value, note]) => `${name!.padEnd(16)}${value!.padStart(6)}  ${note!}`.trimEnd());
  return [`${whole(count)} example${count === 1 ? '' : 's'}, ${whole(confusion.labels.length)} labels`, '', ...lines].join('\n');
}

const metricCells = ({ precision, recall, f1 }: AverageMetrics): string[] => [precision, recall, f1].map(figure);

/** One row a class, weakest only where there are very many. */
function classTable({ perClass, macro, weighted, count, confusion: { labels } }: ClassificationFigures): string {
  const tooMany = labels.length > longestTable;
  const shown = tooMany ? [...labels].sort((a, b) => perClass[a]!.f1 - perClass[b]!.f1).slice(0, weakestShown) : labels;
  const rows = shown.map((label) => [label, ...metricCells(perClass[label]!), whole(perClass[label]!.support)]);
  const averages = [
    ['macro average', ...metricCells(macro), whole(count)],
    ['weighted average', ...metricCells(weighted), whole(count)],
  ];
  const table = textTable([['label', 'precision', 'recall', 'F1', 'support'], ...rows, ...averages], 36);
  return tooMany ? `${table}\n(the ${weakestShown} labels with the lowest F1 of ${whole(labels.length)}; toJSON() has all)` : table;
}

/** The whole matrix, columns numbered as the rows are; undefined where it would be wider than 80 columns. */
function matrixTable({ confusion: { labels, matrix } }: ClassificationFigures): string | undefined {
  if (labels.length > largestMatrix) return undefined;
  const rows = labels.map((label, index) => [`${String(index + 1).padStart(2)} ${label}`, ...matrix[index]!.map(whole)]);
  const widest = Math.max(...rows.flatMap((row) => row.slice(1).map((cell) => cell.length)), 2);
  const gap = labels.length * (widest + 2) <= 56 ? 2 : 1;
  const labelWidth = Math.min(36, 80 - labels.length * (widest + gap));
  if (labelWidth < 8) return undefined;
  const table = textTable([['', ...labels.map((_, index) => String(index + 1))], ...rows], labelWidth, gap);
  return `confusion (rows: true label, columns: predicted)\n${table}`;
}

/** The most frequent confusions, where the matrix is too wide to show. */
function confusedPairs({ confusion: { labels, matrix }, perClass }: ClassificationFigures): string {
  const pairs = matrix
    .flatMap((row, truth) => row.map((count, guess) => ({ truth, guess, count })))
    .filter(({ truth, guess, count }) => truth !== guess && count > 0)
    .sort((a, b) => b.count - a.count || a.truth - b.truth || a.guess - b.guess);
  if (pairs.length === 0) return 'no example was confused with another label';
  const rows = pairs.slice(0, pairsShown).map(({ truth, guess, count }) => {
    const of = perClass[labels[truth]!]!.support;
    return [`${fitText(labels[truth]!, 28)} -> ${fitText(labels[guess]!, 28)}`, whole(count), `of ${whole(of)}`];
  });
  return `most confused (true -> predicted)\n${textTable(rows, 60)}`;
}

/** The figures of a classifier as text for a terminal of 80 columns. */
export function classificationSummary(figures: ClassificationFigures): string {
  return [headlines(figures), classTable(figures), matrixTable(figures) ?? confusedPairs(figures)].join('\n\n');
}
