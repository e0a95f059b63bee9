import { createRandom, type Random } from '../common/random.js';

/** A range that holds the true figure with the confidence of `level`. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** What `bootstrap` gives. */
export interface BootstrapIntervals {
  /** Confidence of the intervals: 0.95. */
  readonly level: number;
  /** How many times the examples were drawn anew. */
  readonly resamples: number;
  readonly accuracy: Interval;
  readonly macroF1: Interval;
}

/** The value below which the given part of sorted numbers lies; linear between neighbours, as NumPy's default. */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  const position = (sorted.length - 1) * part;
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (position - below);
}

/** The central interval of many values. */
export function percentileInterval(values: Float64Array, level: number): Interval {
  const sorted = values.slice().sort();
  return { low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2) };
}

/** Counts of one resample, kept between resamples so that a million draws allocate nothing. */
interface Tally {
  readonly hits: Int32Array;
  readonly actual: Int32Array;
  readonly predicted: Int32Array;
}

/** Draws as many examples as there are, with replacement. */
function draw(actual: ArrayLike<number>, predicted: ArrayLike<number>, random: Random, tally: Tally): void {
  for (const counts of [tally.hits, tally.actual, tally.predicted]) counts.fill(0);
  const size = actual.length;
  for (let drawn = 0; drawn < size; drawn++) {
    const index = random.integer(size);
    const truth = actual[index]!;
    const guess = predicted[index]!;
    tally.actual[truth]!++;
    tally.predicted[guess]!++;
    if (truth === guess) tally.hits[truth]!++;
  }
}

/** Mean F1 of the classes that occur or are predicted. */
function macroF1({ hits, actual, predicted }: Tally): number {
  let sum = 0;
  let present = 0;
  for (let index = 0; index < hits.length; index++) {
    const occurrences = actual[index]! + predicted[index]!;
    if (occurrences === 0) continue;
    sum += (2 * hits[index]!) / occurrences;
    present++;
  }
  return sum / present;
}

/** What the intervals are made from: class indices per example, in the same order. */
export interface BootstrapOptions {
  readonly actual: ArrayLike<number>;
  readonly predicted: ArrayLike<number>;
  readonly classes: number;
  readonly seed: number;
  readonly resamples?: number;
  readonly level?: number;
}

/**
 * Percentile bootstrap of accuracy and macro F1: how far the figures would move with another sample of the same size.
 * @source "An Introduction to the Bootstrap", Efron and Tibshirani 1993, chapter 13
 */
export function bootstrap({ actual, predicted, classes, seed, resamples = 1000, level = 0.95 }: BootstrapOptions): BootstrapIntervals {
  const random = createRandom(seed).fork('bootstrap');
  const tally: Tally = { hits: new Int32Array(classes), actual: new Int32Array(classes), predicted: new Int32Array(classes) };
  const accuracies = new Float64Array(resamples);
  const scores = new Float64Array(resamples);
  for (let round = 0; round < resamples; round++) {
    draw(actual, predicted, random, tally);
    accuracies[round] = tally.hits.reduce((sum, count) => sum + count, 0) / actual.length;
    scores[round] = macroF1(tally);
  }
  return { level, resamples, accuracy: percentileInterval(accuracies, level), macroF1: percentileInterval(scores, level) };
}
