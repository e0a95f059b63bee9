import type { Random } from '../common/random.js';

/** Batches that are sorted by length together: enough to save padding, few enough to stay random. */
const batchesTogether = 16;

/**
 * A fresh order of all examples, cut into batches. Examples of alike length meet in a batch, so that little is spent on padding;
 * where all have one length this is a plain shuffle.
 */
export function shuffledBatches(lengths: readonly number[], batchSize: number, random: Random): number[][] {
  return batchesOf([...random.permutation(lengths.length)], lengths, batchSize, random);
}

/**
 * As many draws as there are examples, each class alike often, cut into batches: rare examples come again and again, some of the
 * frequent ones not at all this time.
 * @param classes the class of each example
 */
export function balancedBatches(classes: readonly string[], lengths: readonly number[], batchSize: number, random: Random): number[][] {
  const members = new Map<string, number[]>();
  classes.forEach((name, index) => members.get(name)?.push(index) ?? members.set(name, [index]));
  const pools = [...members.values()].map((indices) => [...random.permutation(indices.length)].map((place) => indices[place]!));
  // Each pool is gone through in a random order, again and again, so that no example comes twice before all have come once.
  const order = classes.map((_, draw) => {
    const pool = pools[draw % pools.length]!;
    return pool[Math.floor(draw / pools.length) % pool.length]!;
  });
  const shuffled = [...random.permutation(order.length)].map((place) => order[place]!);
  return batchesOf(shuffled, lengths, batchSize, random);
}

function batchesOf(order: readonly number[], lengths: ArrayLike<number>, batchSize: number, random: Random): number[][] {
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
