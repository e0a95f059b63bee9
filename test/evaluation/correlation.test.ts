import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { correlation, pearson, ranks, spearman } from '../../src/evaluation/correlation.js';

describe('correlation', () => {
  it('agrees with figures by hand', () => {
    expect(pearson([1, 2, 4], [0, 2, 5])).toBeCloseTo(69 / Math.sqrt(42 * 114), 12);
    expect(spearman([1, 2, 4], [0, 20, 500])).toBe(1);
    expect(spearman([1, 2, 3], [3, 2, 1])).toBe(-1);
    expect([...ranks([10, 30, 10, 20])]).toEqual([1.5, 4, 1.5, 3]);
    const figures = correlation([1, 2], [1, 5]);
    expect(figures.meanAbsoluteError).toBe(1.5);
    expect(figures.rootMeanSquaredError).toBeCloseTo(Math.sqrt(4.5), 12);
  });

  it('is 0 where either side is constant', () => {
    expect(pearson([2, 2, 2], [1, 2, 3])).toBe(0);
    expect(spearman([1, 2, 3], [5, 5, 5])).toBe(0);
    expect(pearson([1], [2])).toBe(0);
  });

  it('refuses lists that do not match, and empty ones', () => {
    expect(() => correlation([], [])).toThrow(/bad-data: a correlation needs[^]*0 predictions/);
    expect(() => correlation([1, 2], [1])).toThrow(/2 predictions, 1 targets/);
  });

  it('does not mind a change of scale', () => {
    const numbers = fc.array(fc.tuple(fc.integer({ min: -100, max: 100 }), fc.integer({ min: -100, max: 100 })), {
      minLength: 2,
      maxLength: 30,
    });
    fc.assert(
      fc.property(numbers, fc.integer({ min: 1, max: 50 }), fc.integer({ min: -50, max: 50 }), (pairs, factor, shift) => {
        const [first, second] = [pairs.map(([a]) => a), pairs.map(([, b]) => b)];
        const value = pearson(first, second);
        expect(value).toBeGreaterThanOrEqual(-1);
        expect(value).toBeLessThanOrEqual(1);
        expect(pearson(second, first)).toBeCloseTo(value, 9);
        expect(
          pearson(
            first.map((number) => number * factor + shift),
            second,
          ),
        ).toBeCloseTo(value, 9);
        expect(
          spearman(
            first.map((number) => number ** 3),
            second,
          ),
        ).toBeCloseTo(spearman(first, second), 9);
      }),
      { numRuns: 100, seed: 2 },
    );
  });
});
