import { describe, expect, it } from 'vitest';
import { bootstrap, percentileInterval, quantile } from '../../src/evaluation/bootstrap.js';
import { createRandom } from '../../src/common/random.js';

const answers = (count: number, right: number) => {
  const actual = Int32Array.from({ length: count }, (_, index) => index % 2);
  return { actual, predicted: actual.map((truth, index) => (index < right ? truth : 1 - truth)), classes: 2 };
};

describe('quantile', () => {
  it('is linear between neighbours', () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75);
    expect(quantile([1, 2, 3, 4], 0)).toBe(1);
    expect(quantile([1, 2, 3, 4], 1)).toBe(4);
    expect(quantile([7], 0.3)).toBe(7);
  });

  it('sorts numbers as numbers', () => {
    expect(percentileInterval(Float64Array.of(100, 20, 3), 1)).toEqual({ low: 3, high: 100 });
  });
});

describe('bootstrap', () => {
  it('gives the same interval for the same seed', () => {
    expect(bootstrap({ ...answers(50, 40), seed: 3 })).toEqual(bootstrap({ ...answers(50, 40), seed: 3 }));
    expect(bootstrap({ ...answers(50, 40), seed: 3 }).macroF1).not.toEqual(bootstrap({ ...answers(50, 40), seed: 4 }).macroF1);
  });

  it('is near the normal approximation where there are many examples', () => {
    const { accuracy } = bootstrap({ ...answers(1000, 800), seed: 1 });
    const half = 1.96 * Math.sqrt((0.8 * 0.2) / 1000);
    expect(accuracy.low).toBeCloseTo(0.8 - half, 2);
    expect(accuracy.high).toBeCloseTo(0.8 + half, 2);
  });

  it('has no width where every answer is right', () => {
    const { accuracy, macroF1 } = bootstrap({ ...answers(20, 20), seed: 1 });
    expect([accuracy, macroF1]).toEqual([
      { low: 1, high: 1 },
      { low: 1, high: 1 },
    ]);
  });

  it('is wider with fewer examples', () => {
    const width = (count: number): number => {
      const { low, high } = bootstrap({ ...answers(count, count * 0.8), seed: 1 }).macroF1;
      return high - low;
    };
    expect(width(20)).toBeGreaterThan(2 * width(500));
  });

  it('covers the truth about 19 times in 20', () => {
    const random = createRandom(9);
    let covered = 0;
    for (let study = 0; study < 200; study++) {
      const right = Array.from({ length: 200 }, () => random.next() < 0.7).filter(Boolean).length;
      const { low, high } = bootstrap({ ...answers(200, right), seed: study, resamples: 300 }).accuracy;
      if (low <= 0.7 && 0.7 <= high) covered++;
    }
    expect(covered / 200).toBeGreaterThan(0.9);
    expect(covered / 200).toBeLessThan(0.99);
  });

  it('takes well under a second for ten thousand examples', () => {
    const started = performance.now();
    bootstrap({ ...answers(10_000, 9000), seed: 1 });
    expect(performance.now() - started).toBeLessThan(3000); // measured: a tenth of it; room for a busy machine
  });
});
