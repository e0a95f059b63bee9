import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkSchedule, scheduledStep, type ScheduleRecipe } from '../../src/training/schedule.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';

interface ScheduleCase {
  readonly kind: ScheduleRecipe['kind'];
  readonly warmup: number;
  readonly steps: number;
  /** Steps of the warm-up, where it is counted in steps. */
  readonly climb?: number;
  readonly rates: readonly number[];
  readonly momenta?: readonly number[];
}

const { cases } = JSON.parse(readFileSync(new URL('../golden/training/schedules.json', import.meta.url), 'utf8')) as {
  cases: readonly ScheduleCase[];
};

const run = (recipe: ScheduleRecipe, steps: number) => Array.from({ length: steps }, (_, step) => scheduledStep(recipe, step, steps));
const ratesOf = (recipe: ScheduleRecipe, steps: number): number[] => run(recipe, steps).map(({ rate }) => rate);

const kinds = ['constant', 'linear', 'cosine', 'one-cycle'] as const;

describe('schedules', () => {
  test.each(cases.filter(({ climb }) => climb !== undefined))(
    '$kind of $steps steps, warm-up $warmup, is that of transformers',
    (golden) => {
      const { steps, climb, rates } = golden;
      ratesOf(golden, steps).forEach((rate, step) => {
        // Ours climbs in steps of 1 / (climb + 1), so that the first one learns; behind the warm-up both are alike.
        if (step < climb!) expect(rate).toBeCloseTo((step + 1) / (climb! + 1), 12);
        else expect(rate).toBeCloseTo(rates[step]!, 12);
      });
    },
  );

  test.each(cases.filter(({ momenta }) => momenta !== undefined))(
    'one-cycle of $steps steps, peak at $warmup, is that of torch',
    (golden) => {
      run(golden, golden.steps).forEach(({ rate, momentum }, step) => {
        expect(rate).toBeCloseTo(golden.rates[step]!, 12);
        expect(momentum).toBeCloseTo(golden.momenta![step]!, 12);
      });
    },
  );

  test('one-cycle goes from a 25th of the peak to the peak and down to nearly nothing, momentum the other way', () => {
    const all = run({ kind: 'one-cycle', warmup: 0.25 }, 100);
    expect(all[0]).toEqual({ rate: 1 / 25, momentum: 0.95 });
    expect(all[25]!.rate).toBeCloseTo(1, 12);
    expect(all[25]!.momentum).toBeCloseTo(0.85, 12);
    expect(all[99]!.rate).toBeLessThan(1e-3);
    expect(all[99]!.momentum).toBeGreaterThan(0.949);
  });

  test('cosine gives the same bits as ever', () => {
    const before = (step: number, steps: number, warmup: number, floor: number): number => {
      const climb = Math.min(steps - 1, Math.round(warmup * steps));
      if (step < climb) return (step + 1) / (climb + 1);
      const progress = (step - climb) / Math.max(1, steps - climb);
      return floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
    };
    for (const [steps, warmup, floor] of [
      [1, 0.1, 0],
      [7, 0.5, 0.1],
      [333, 0.1, 0],
      [100, 0, 0.25],
    ] as const)
      // prettier-ignore
      expect(ratesOf({ kind: 'cosine', warmup, floor }, steps)).toEqual(
        Array.from({ length: steps }, (_, step) => before(step, steps, warmup, floor)),
      );
  });

  test.each(kinds)('%s: every rate is above 0 and none above the peak, however short the run', (kind) => {
    for (const steps of [1, 2, 3, 10, 101])
      for (const warmup of [0, 0.1, 0.5, 0.99])
        for (const { rate } of run({ kind, warmup }, steps)) {
          expect(rate).toBeGreaterThan(0);
          expect(rate).toBeLessThanOrEqual(1);
        }
  });

  test.each(['constant', 'linear', 'cosine'] as const)('%s has its peak at least once', (kind) => {
    for (const steps of [1, 2, 3, 10]) for (const warmup of [0, 0.5, 0.99]) expect(Math.max(...ratesOf({ kind, warmup }, steps))).toBe(1);
  });

  test('linear and cosine fall towards the floor', () => {
    for (const kind of ['linear', 'cosine'] as const) {
      const rates = ratesOf({ kind, warmup: 0, floor: 0.2 }, 1000);
      expect(Math.min(...rates)).toBeGreaterThanOrEqual(0.2);
      expect(rates.at(-1)).toBeCloseTo(0.2, 2);
    }
  });
});

describe('a schedule that cannot be', () => {
  test.each([
    [{ kind: 'cosin', warmup: 0 }, 'no schedule "cosin". Did you mean "cosine"?'],
    [{ warmup: 0 }, 'no schedule "undefined"'],
    [{ kind: 'toString', warmup: 0 }, 'no schedule "toString"'],
    [{ kind: 'linear' }, 'schedule.warmup must be a share of the steps, from 0 to below 1.\n  Received: undefined'],
    [{ kind: 'linear', warmup: 1 }, 'Received: 1'],
    [{ kind: 'linear', warmup: Number.NaN }, 'Received: NaN'],
    [{ kind: 'linear', warmup: 0, floor: 2 }, 'schedule.floor must be a share of the peak, from 0 to 1.\n  Received: 2'],
    [{ kind: 'constant', warmup: 0, floor: 0.1 }, 'schedule.floor means nothing to the schedule "constant"'],
    [{ kind: 'one-cycle', warmup: 0.3, floor: 0.1 }, 'Expected: linear or cosine'],
    [{ kind: 'cosine', warmup: 0, flor: 0.1 }, 'Did you mean "floor"?'],
  ])('%j is refused', async (recipe, message) => {
    await expectFailure(() => checkSchedule(recipe as ScheduleRecipe), 'bad-option', message);
  });

  test.each(kinds)('%s is taken', (kind) => {
    expect(() => checkSchedule({ kind, warmup: 0.1 })).not.toThrow();
  });
});
