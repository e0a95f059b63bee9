import { describe, expect, test } from 'vitest';
import { contrastivePairs, countPairs, type ContrastivePair } from '../../src/few-shot/contrastive-pairs.js';

const labelled = (counts: readonly number[]): string[] =>
  counts.flatMap((count, label) => Array.from({ length: count }, () => `label ${label}`));
const names = (pairs: readonly ContrastivePair[]): Set<string> => new Set(pairs.map(({ left, right }) => `${left} ${right}`));

describe('contrastive pairs', () => {
  // 8 and 16 a label give what setfit 1.1.3 gives: 2 * max(pairs of one label, pairs of two).
  test.each([
    { counts: [8, 8], pairs: 144 },
    { counts: [16, 16], pairs: 544 },
    { counts: [8, 8, 8, 8], pairs: 768 },
    { counts: [16, 16, 16, 16], pairs: 3072 },
    { counts: [1, 3], pairs: 14 },
  ])('of $counts examples are $pairs, half of them alike', ({ counts, pairs: expected }) => {
    const labels = labelled(counts);
    const pairs = contrastivePairs(labels, { seed: 1, most: 1e6 });
    expect(pairs).toHaveLength(expected);
    expect(countPairs(labels)).toBe(expected);
    expect(pairs.filter(({ alike }) => alike)).toHaveLength(expected / 2);
    expect(pairs.every(({ left, right, alike }) => (labels[left] === labels[right]) === alike)).toBe(true);
    const all = (labels.length * (labels.length + 1)) / 2;
    expect(names(pairs).size).toBe(all); // every pair occurs, an example with itself too
  });

  test('are the same for the same seed, and others for another', () => {
    const labels = labelled([5, 7]);
    expect(contrastivePairs(labels, { seed: 3, most: 1e6 })).toEqual(contrastivePairs(labels, { seed: 3, most: 1e6 }));
    expect(contrastivePairs(labels, { seed: 3, most: 1e6 })).not.toEqual(contrastivePairs(labels, { seed: 4, most: 1e6 }));
  });

  test('can be limited, and asked for by number', () => {
    const labels = labelled([6, 6]);
    expect(contrastivePairs(labels, { seed: 1, most: 11 })).toHaveLength(10);
    expect(contrastivePairs(labels, { seed: 1, most: 0 })).toEqual([]);
    expect(contrastivePairs(labels, { seed: 1, iterations: 20, most: 1e6 })).toHaveLength(2 * 20 * 12);
  });

  test('of many examples are drawn without listing them all', () => {
    const labels = labelled([3000, 2000, 500]);
    const pairs = contrastivePairs(labels, { seed: 1, most: 8000 });
    expect(pairs).toHaveLength(8000);
    expect(pairs.filter(({ alike }) => alike)).toHaveLength(4000);
    expect(pairs.every(({ left, right, alike }) => (labels[left] === labels[right]) === alike)).toBe(true);
    expect(names(pairs).size).toBeGreaterThan(7900);
  });
});
