import { TransferKitError } from '../errors.js';

/** Figures of predicted numbers against true ones. */
export interface CorrelationMetrics {
  /** Pearson's correlation, -1 to 1; 0 where either side is constant. */
  readonly pearson: number;
  /** Spearman's rank correlation, -1 to 1; 0 where either side is constant. */
  readonly spearman: number;
  /** Mean absolute error, in units of the target. */
  readonly meanAbsoluteError: number;
  /** Root of the mean squared error, in units of the target. */
  readonly rootMeanSquaredError: number;
}

const mean = (values: ArrayLike<number>, of: (value: number, index: number) => number = (value) => value): number => {
  let sum = 0;
  for (let index = 0; index < values.length; index++) sum += of(values[index]!, index);
  return sum / values.length;
};

/** Pearson's correlation of two lists of numbers; 0 where either is constant. */
export function pearson(first: ArrayLike<number>, second: ArrayLike<number>): number {
  const [firstMean, secondMean] = [mean(first), mean(second)];
  const covariance = mean(first, (value, index) => (value - firstMean) * (second[index]! - secondMean));
  const firstSpread = Math.sqrt(mean(first, (value) => (value - firstMean) ** 2));
  const secondSpread = Math.sqrt(mean(second, (value) => (value - secondMean) ** 2));
  const product = firstSpread * secondSpread;
  // Rounding can carry a perfect correlation a hair over 1.
  return product === 0 ? 0 : Math.max(-1, Math.min(1, covariance / product));
}

/** The rank of each number, from 1; equals share the mean of their ranks. */
export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, index) => index).sort((a, b) => values[a]! - values[b]!);
  const ranked = new Float64Array(values.length);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let position = start; position < end; position++) ranked[order[position]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranked;
}

/** Spearman's rank correlation of two lists of numbers; 0 where either is constant. */
export const spearman = (first: ArrayLike<number>, second: ArrayLike<number>): number => pearson(ranks(first), ranks(second));

/**
 * Compares predicted numbers with true ones.
 * @throws TransferKitError `bad-data` when there are none, or not as many of one as of the other
 */
export function correlation(predicted: ArrayLike<number>, actual: ArrayLike<number>): CorrelationMetrics {
  if (predicted.length === 0 || predicted.length !== actual.length) {
    throw new TransferKitError(
      'bad-data',
      `a correlation needs as many predictions as targets, and at least one.\n  Received: ${predicted.length} predictions, ${actual.length} targets`,
    );
  }
  return {
    pearson: pearson(predicted, actual),
    spearman: spearman(predicted, actual),
    meanAbsoluteError: mean(predicted, (value, index) => Math.abs(value - actual[index]!)),
    rootMeanSquaredError: Math.sqrt(mean(predicted, (value, index) => (value - actual[index]!) ** 2)),
  };
}
