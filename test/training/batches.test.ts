import { describe, expect, test } from 'vitest';
import { createRandom } from '../../src/common/random.js';
import { balancedBatches, orderedBatches, shuffledBatches } from '../../src/training/batches.js';

/** 50 examples: 40 often, 7 seldom, 3 rare; the classes lie mixed. */
const classes = Array.from({ length: 50 }, (_, index) => (index % 20 === 7 ? 'rare' : index % 7 === 3 ? 'seldom' : 'often'));
const sameLength = classes.map(() => 1);
const members = (name: string): number[] => [...classes.keys()].filter((index) => classes[index] === name);

const balanced = (batchSize = 8, stream = 'epoch 1', lengths: readonly number[] = sameLength) =>
  balancedBatches(classes, lengths, batchSize, createRandom(3).fork(stream));

/** How often each value comes. */
function counted<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

describe('balanced batches', () => {
  test('the classes of this file are as unbalanced as they should be', () => {
    expect(['often', 'seldom', 'rare'].map((name) => members(name).length)).toEqual([40, 7, 3]);
  });

  test('an epoch has as many draws as examples, each class alike often', () => {
    const batches = balanced();
    expect(batches.map(({ length }) => length).sort()).toEqual([2, 8, 8, 8, 8, 8, 8]);
    const draws = counted(batches.flat().map((index) => classes[index]!));
    expect([...draws.values()].sort()).toEqual([16, 17, 17]);
  });

  test('all of a rare class come alike often, and none of a frequent one twice', () => {
    const draws = counted(balanced().flat());
    for (const name of ['seldom', 'rare']) {
      const counts = members(name).map((index) => draws.get(index) ?? 0);
      expect(Math.min(...counts)).toBeGreaterThanOrEqual(2);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
    const often = members('often').map((index) => draws.get(index) ?? 0);
    expect(Math.max(...often)).toBe(1);
  });

  test('classes lie mixed over the batches, by chance and not in turn', () => {
    const classesOf = (batch: readonly number[]) => counted(batch.map((index) => classes[index]!));
    const large = balanced(16).filter(({ length }) => length === 16);
    expect(large.map((batch) => classesOf(batch).size)).toEqual([3, 3, 3]);
    const rare = balanced(6).map((batch) => classesOf(batch).get('rare') ?? 0);
    expect(new Set(rare).size).toBeGreaterThan(2); // in turn there would be 2 in each, and none in the rest
  });

  test('the same stream gives the same epoch; others leave out other examples, so that all have their turn', () => {
    expect(balanced()).toEqual(balanced());
    const first = new Set(balanced(8, 'epoch 1').flat());
    const second = new Set(balanced(8, 'epoch 2').flat());
    expect(second).not.toEqual(first);
    const seen = new Set(Array.from({ length: 20 }, (_, epoch) => balanced(8, `epoch ${epoch}`).flat()).flat());
    expect(seen.size).toBe(50);
  });

  test('alike lengths meet in a batch', () => {
    const lengths = classes.map((_, index) => (index * 7) % 50);
    const spread = (batches: readonly (readonly number[])[]): number =>
      batches.reduce((sum, batch) => {
        const own = batch.map((index) => lengths[index]!);
        return sum + Math.max(...own) - Math.min(...own);
      }, 0);
    expect(spread(balanced(8, 'epoch 1', lengths))).toBeLessThan(spread(balanced()) / 2);
  });
});

describe('the other batches', () => {
  test('shuffled ones have every example once, in an order of the stream', () => {
    const shuffled = (stream: string) => shuffledBatches(sameLength, 8, createRandom(3).fork(stream));
    const sorted = shuffled('a')
      .flat()
      .sort((a, b) => a - b);
    expect(sorted).toEqual([...classes.keys()]);
    expect(shuffled('a')).toEqual(shuffled('a'));
    expect(shuffled('a').flat()).not.toEqual([...classes.keys()]);
    expect(shuffled('b')).not.toEqual(shuffled('a'));
  });

  test('ordered ones have every example once, in order', () => {
    expect(orderedBatches(7, 3)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
    expect(orderedBatches(0, 3)).toEqual([]);
  });
});
