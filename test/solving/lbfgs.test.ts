import { describe, expect, test } from 'vitest';
import { createRandom } from '../../src/common/random.js';
import { minimize } from '../../src/solving/lbfgs.js';
import type { Objective } from '../../src/solving/line-search.js';

/** Rosenbrock's banana valley in any number of variables; the minimum is 0 at (1, 1, ...). */
const banana: Objective = async (point) => {
  let value = 0;
  const gradient = new Float64Array(point.length);
  for (let index = 0; index + 1 < point.length; index++) {
    const [x, y] = [point[index]!, point[index + 1]!];
    value += 100 * (y - x * x) ** 2 + (1 - x) ** 2;
    gradient[index]! += -400 * x * (y - x * x) - 2 * (1 - x);
    gradient[index + 1]! += 200 * (y - x * x);
  }
  return { value, gradient };
};

/** A bowl whose axes differ in steepness by a factor of a million. */
const bowl =
  (size: number): Objective =>
  async (point) => ({
    value: point.reduce((sum, x, index) => sum + 0.5 * 10 ** ((6 * index) / size) * (x - index) ** 2, 0),
    gradient: point.map((x, index) => 10 ** ((6 * index) / size) * (x - index)),
  });

describe('minimize', () => {
  test('finds the bottom of a narrow, bent valley', async () => {
    for (const start of [Float64Array.of(-1.2, 1), new Float64Array(20).fill(-0.5)]) {
      const before = start.slice();
      const { point, value, converged, iterations } = await minimize(banana, start, { tolerance: 1e-8 });
      expect(converged).toBe(true);
      expect(value).toBeLessThan(1e-12);
      point.forEach((x) => expect(x).toBeCloseTo(1, 5));
      expect(iterations).toBeLessThan(200);
      expect(start).toEqual(before);
    }
  });

  test('copes with axes of very different steepness', async () => {
    const { point, converged } = await minimize(bowl(12), new Float64Array(12), { tolerance: 1e-7 });
    expect(converged).toBe(true);
    point.forEach((x, index) => expect(x).toBeCloseTo(index, 5));
  });

  test('never goes uphill, whatever the function', async () => {
    const random = createRandom(5);
    for (let round = 0; round < 20; round++) {
      const factors = Float64Array.from({ length: 4 }, () => random.next() * 4);
      const waves: Objective = async (point) => ({
        value: point.reduce((sum, x, index) => sum + Math.sin(factors[index]! * x) + 0.05 * x * x, 0),
        gradient: point.map((x, index) => factors[index]! * Math.cos(factors[index]! * x) + 0.1 * x),
      });
      const start = Float64Array.from({ length: 4 }, () => random.next() * 6 - 3);
      const result = await minimize(waves, start, { tolerance: 1e-6 });
      expect(result.value).toBeLessThanOrEqual((await waves(start)).value);
      expect(result.gradient).toBeLessThan(1e-3);
    }
  });

  test('ends where rounding hides every further gain', async () => {
    const rounded: Objective = async (point) => {
      const { value, gradient } = await banana(point);
      return { value: Math.fround(value + 1000), gradient: gradient.map((part) => Math.fround(part)) };
    };
    const { value, iterations } = await minimize(rounded, Float64Array.of(-1.2, 1), { tolerance: 1e-30, maxIterations: 500 });
    expect(value).toBeCloseTo(1000, 2);
    expect(iterations).toBeLessThanOrEqual(500);
  });

  test('steps around places where the function is no number', async () => {
    const walled: Objective = async ([x]) => ({ value: x! <= 0 ? Number.NaN : x! - Math.log(x!), gradient: Float64Array.of(1 - 1 / x!) });
    const { point, converged } = await minimize(walled, Float64Array.of(30), { tolerance: 1e-8 });
    expect(converged).toBe(true);
    expect(point[0]).toBeCloseTo(1, 6);
  });

  test('says when the iterations ran out, and when there is nothing to do', async () => {
    const short = await minimize(banana, Float64Array.of(-1.2, 1), { maxIterations: 3 });
    expect(short).toMatchObject({ iterations: 3, converged: false });
    const done = await minimize(banana, Float64Array.of(1, 1));
    expect(done).toMatchObject({ iterations: 0, converged: true });
  });

  test('refuses a start without a value', async () => {
    const broken: Objective = async (point) => ({ value: Number.NaN, gradient: point });
    await expect(minimize(broken, Float64Array.of(1))).rejects.toThrow(/diverged: the loss is NaN before the first step/);
  });

  test('can be aborted, and lets the event loop take its turns', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 60);
    const slow: Objective = async (point) => {
      const end = performance.now() + 5;
      while (performance.now() < end);
      return banana(point);
    };
    const run = minimize(slow, new Float64Array(200).fill(-1), { tolerance: 0, maxIterations: 1e6, signal: controller.signal });
    await expect(run).rejects.toMatchObject({ code: 'aborted' });
    await expect(run).rejects.toThrow(/stopped after \d+ iterations of L-BFGS/);
  });
});
