import type { Random } from '../common/random.js';

/** Batches that are sorted by length together: enough to save padding, few enough to stay random. */
const batchesTogether = 16;

/**
 * A fresh order of all examples, cut into batches. Examples of alike length meet in a batch, so that little is spent on padding;
 * where all have one length this is a plain shuffle.
 */
export function shuffledBatches(lengths: readonly number[], batchSize: number, random: Random): number[][] {
  const order = [...random.permutation(lengths.length)];
  const stretch = batchSize * batchesTogether;
  const sorted: number[] = [];
  for (let start = 0; start < order.length; start += stretch) {
    sorted.push(...order.slice(start, start + stretch).sort((a, b) => lengths[a]! - lengths[b]!));
  }
  const batches = Array.from({ length: Math.ceil(sorted.length / batchSize) }, (_, index) =>
    sorted.slice(index * batchSize, (index + 1) * batchSize),
  );
  return [...random.permutation(batches.length)].map((index) => batches[index]!);
}

/** All examples in their order, cut into batches. */
export function orderedBatches(count: number, batchSize: number): number[][] {
  return Array.from({ length: Math.ceil(count / batchSize) }, (_, index) =>
    Array.from({ length: Math.min(batchSize, count - index * batchSize) }, (_unused, offset) => index * batchSize + offset),
  );
}
