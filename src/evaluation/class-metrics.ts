/** How well one class is told from the others. All numbers from 0 to 1; 0 where there is nothing to divide by. */
export interface ClassMetrics {
  /** Of the examples given this label, the part that has it. */
  readonly precision: number;
  /** Of the examples with this label, the part that was given it. */
  readonly recall: number;
  /** Harmonic mean of precision and recall. */
  readonly f1: number;
  /** Number of examples with this label. */
  readonly support: number;
}

/** An average over classes. */
export type AverageMetrics = Omit<ClassMetrics, 'support'>;

/** Counts of one class: `hits` were given the label and have it, `actual` have it, `predicted` were given it. */
export interface ClassCounts {
  readonly hits: number;
  readonly actual: number;
  readonly predicted: number;
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** F1 from counts; 0 for a class that neither occurs nor is predicted. */
const f1Of = ({ hits, actual, predicted }: ClassCounts): number => ratio(2 * hits, actual + predicted);

/**
 * Precision, recall and F1 of one class, as scikit-learn's `precision_recall_fscore_support` with `zero_division=0`.
 * @source https://scikit-learn.org/stable/modules/generated/sklearn.metrics.precision_recall_fscore_support.html
 */
export const classMetrics = (counts: ClassCounts): ClassMetrics => ({
  precision: ratio(counts.hits, counts.predicted),
  recall: ratio(counts.hits, counts.actual),
  f1: f1Of(counts),
  support: counts.actual,
});

/**
 * An average over classes, each weighted.
 * @param weights one a class; all 1 for the macro average, the supports for the weighted one
 */
export function averageMetrics(classes: readonly AverageMetrics[], weights: readonly number[]): AverageMetrics {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (name: keyof AverageMetrics): number =>
    ratio(
      classes.reduce((sum, metrics, index) => sum + metrics[name] * weights[index]!, 0),
      total,
    );
  return { precision: mean('precision'), recall: mean('recall'), f1: mean('f1') };
}

/** matrix[true][predicted]: how many examples of one class were given each label. */
export function confusionMatrix(actual: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let index = 0; index < actual.length; index++) matrix[actual[index]!]![predicted[index]!]!++;
  return matrix;
}

/** The counts of each class from a confusion matrix. */
export function countsOf(matrix: readonly (readonly number[])[]): ClassCounts[] {
  return matrix.map((row, index) => ({
    hits: row[index]!,
    actual: row.reduce((sum, count) => sum + count, 0),
    predicted: matrix.reduce((sum, other) => sum + other[index]!, 0),
  }));
}
