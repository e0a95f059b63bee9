import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDataset } from '../../src/data/create-dataset.js';
import { expectError } from './expect-error.js';

/** A data set with so many examples of each class. */
function dataset(counts: readonly number[]) {
  const labels = counts.flatMap((count, index) => Array.from({ length: count }, () => `class-${index}`));
  const items = labels.map((target, index) => ({ id: `row ${index}`, input: `text ${index}`, target }));
  return createDataset({ modality: 'text', items, origin: 'test' });
}

const ids = (items: readonly { readonly id: string }[]): string[] => items.map((item) => item.id);
const classSizes = fc
  .array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 12 })
  .filter((sizes) => sizes.some((size) => size > 2));
const fractions = fc.record({
  validation: fc.double({ min: 0.02, max: 0.4, noNaN: true }),
  test: fc.double({ min: 0.02, max: 0.4, noNaN: true }),
});

describe('split', () => {
  it('is a partition in which training knows every label', () => {
    fc.assert(
      fc.property(classSizes, fractions, fc.integer(), (sizes, options, seed) => {
        const whole = dataset(sizes);
        const { train, validation, test } = whole.split({ ...options, seed });
        const together = [...ids(train.items), ...ids(validation.items), ...ids(test.items)];
        expect(together.sort()).toEqual(ids(whole.items).sort());
        expect(train.labels).toEqual(whole.labels);
        expect(validation.length).toBeGreaterThan(0);
        expect(test.length).toBeGreaterThan(0);
      }),
    );
  });

  it('keeps the proportion of each label to within one example, when no class is tiny', () => {
    const sizes = fc.array(fc.integer({ min: 20, max: 60 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(sizes, fc.integer(), (counts, seed) => {
        const { validation, test } = dataset(counts).split({ validation: 0.15, test: 0.25, seed });
        counts.forEach((count, index) => {
          expect(Math.abs(validation.classCounts()[`class-${index}`]! - count * 0.15)).toBeLessThanOrEqual(1);
          expect(Math.abs(test.classCounts()[`class-${index}`]! - count * 0.25)).toBeLessThanOrEqual(1);
        });
        const total = counts.reduce((sum, count) => sum + count, 0);
        expect(Math.abs(test.length - total * 0.25)).toBeLessThanOrEqual(0.5);
      }),
    );
  });

  it('gives the same parts for the same seed and others for another', () => {
    const whole = dataset([40, 40]);
    const test = (seed?: number): string[] => ids(whole.split(seed === undefined ? { test: 0.3 } : { test: 0.3, seed }).test.items);
    expect(test(7)).toEqual(test(7));
    expect(test()).toEqual(test(42));
    expect(test(7)).not.toEqual(test(8));
  });

  it('spreads tiny classes over the part instead of taking one of each', () => {
    const whole = dataset(Array.from({ length: 50 }, () => 3));
    expect(whole.split({ validation: 0.1 }).validation.length).toBe(15);
    expect(dataset([1, 1, 10]).split({ test: 0.25 }).test.labels).toEqual(['class-2']);
  });

  it('keeps the order of the items', () => {
    const numbers = dataset([30, 30])
      .split({ test: 0.5 })
      .test.items.map((item) => Number(item.id.slice(4)));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });

  it('splits numbers without strata', () => {
    const items = Array.from({ length: 20 }, (_, index) => ({ id: `${index}`, input: 'x', target: index / 2 }));
    const numbers = createDataset({ modality: 'text', items, origin: 'numbers' });
    expect(numbers.labels).toEqual([]);
    expect(numbers.split({ test: 0.25 }).test.length).toBe(5);
  });

  it.each([{}, { test: 1 }, { test: -0.1 }, { validation: 0.6, test: 0.4 }, { test: Number.NaN }, { test: 0 }])(
    'refuses %j',
    async (options) => {
      await expectError(() => dataset([5, 5]).split(options), 'bad-option', 'fractions of the whole', 'Received');
    },
  );

  it('refuses an unknown option, strata of numbers, and parts that would be empty or hold an unknown label', async () => {
    await expectError(() => dataset([5]).split({ tets: 0.1 } as object), 'bad-option', 'Did you mean "test"');
    const numbers = createDataset({ modality: 'text', items: [{ id: 'a', input: 'a', target: 1 }], origin: 'numbers' });
    await expectError(() => numbers.split({ test: 0.5, stratify: true }), 'bad-option', 'needs labels');
    await expectError(() => dataset([1, 1]).split({ test: 0.5 }), 'bad-data', 'leaves nothing for "test"', '2 examples');
    const lonely = dataset([10, 1]);
    const seeds = Array.from({ length: 40 }, (_, seed) => seed);
    const losing = seeds.filter((seed) => {
      try {
        lonely.split({ test: 0.5, stratify: false, seed });
        return false;
      } catch {
        return true;
      }
    });
    await expectError(() => lonely.split({ test: 0.5, stratify: false, seed: losing[0]! }), 'bad-data', 'no example of label "class-1"');
  });
});

describe('a data set', () => {
  it('counts labels, sorted, also those that are names of object members', () => {
    const items = ['b', 'a', '__proto__', 'a'].map((target, index) => ({ id: `${index}`, input: 'x', target }));
    const whole = createDataset({ modality: 'text', items, origin: 'test' });
    expect(whole.labels).toEqual(['__proto__', 'a', 'b']);
    expect(Object.entries(whole.classCounts())).toEqual([['__proto__', 1], ['a', 2], ['b', 1]]); // prettier-ignore
  });

  it('shuffles by seed, takes, filters and batches without changing itself', () => {
    const whole = dataset([5, 6]);
    const before = ids(whole.items);
    expect(ids(whole.shuffle(1).items)).toEqual(ids(whole.shuffle(1).items));
    expect(ids(whole.shuffle(1).items)).not.toEqual(before);
    expect(ids(whole.shuffle(1).items).sort()).toEqual([...before].sort());
    expect(whole.take(4).length).toBe(4);
    expect(whole.filter((item) => item.target === 'class-1').length).toBe(6);
    expect([...whole.batches(4)].map((batch) => batch.length)).toEqual([4, 4, 3]);
    expect(ids(whole.items)).toEqual(before);
    expect(Object.isFrozen(whole) && Object.isFrozen(whole.items)).toBe(true);
  });

  it('can be batched more than once', () => {
    const batches = dataset([5]).batches(2);
    expect([...batches]).toEqual([...batches]);
  });

  it('passes on what was skipped, the policy and the origin', () => {
    const parts = {
      modality: 'text',
      items: dataset([9]).items,
      origin: 'here',
      skipped: [{ id: 'x', reason: 'y' }],
      onBadItem: 'skip',
    } as const;
    const { train } = createDataset(parts).split({ test: 0.2 });
    expect(train).toMatchObject({ skipped: [{ id: 'x', reason: 'y' }], onBadItem: 'skip', origin: 'here', modality: 'text' });
  });

  it('refuses sizes that are none', async () => {
    await expectError(() => dataset([2]).batches(0), 'bad-option', 'batches', 'Received: 0');
    await expectError(() => dataset([2]).take(-1), 'bad-option', 'take');
  });
});
