import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { runtime } from '#runtime';
import { createRandom } from '../../src/common/random.js';
import { classification } from '../../src/heads/classification.js';
import type { SolveOptions, SolveResult } from '../../src/heads/head.js';
import { disposeModel } from '../../src/layers/dispose-model.js';
import { inference, runGraph } from '../../src/layers/run-graph.js';
import { expectNoLeaks } from '../../src/testing/expect-no-leaks.js';

await runtime.chooseBackend('wasm');

interface Golden {
  features: number[][];
  truth: number[];
  classes: number;
  weights: number[];
  strength: number;
  logistic: { coefficients: number[][]; intercepts: number[]; probabilities: number[][]; loss: number };
  centroids: number[][];
  nearest: number[];
}
// Made by tools/golden/heads.py; the versions are in the file.
const golden: Record<string, Golden> = JSON.parse(readFileSync(new URL('../golden/heads/solvers.json', import.meta.url), 'utf8')).cases;

interface Solved extends SolveResult {
  /** [features][labels] */
  kernel: number[][];
  bias: number[];
  logits: number[][];
}

/** Builds a head, adapts and solves it, as a training does. */
async function solve(
  rows: number[][],
  truth: number[],
  labels: number,
  { weights, ...options }: Partial<Omit<SolveOptions, 'weights'>> & { weights?: number[] } = {},
): Promise<Solved> {
  const head = classification(Array.from({ length: labels }, (_, index) => `label ${index}`));
  const model = head.build({ shapes: [[rows[0]!.length]], seed: 1 });
  const features = tf.tensor2d(rows);
  const targets = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(truth, 'int32'), labels), 'float32'));
  try {
    head.adapt!(model, [features], [targets]);
    const result = await head.solve!(model, [features], [targets], {
      solver: 'logistic-regression',
      strength: 1,
      seed: 42,
      ...options,
      weights: Float32Array.from(weights ?? rows.map(() => 1)),
    });
    const [kernel, bias] = model.getLayer('logits').getWeights();
    const logits = tf.tidy(() => runGraph(new Map([[model.inputs[0]!, features]]), model.outputs, inference)[0]!.arraySync());
    return { ...result, kernel: kernel!.arraySync() as number[][], bias: bias!.arraySync() as number[], logits: logits as number[][] };
  } finally {
    disposeModel(model);
    tf.dispose([features, targets]);
  }
}

const softmax = (row: number[]): number[] => {
  const powers = row.map((logit) => Math.exp(logit - Math.max(...row)));
  return powers.map((power) => power / powers.reduce((sum, value) => sum + value, 0));
};
const largest = (row: number[]): number => row.indexOf(Math.max(...row));

/** Numbers within a thousandth of the largest expected one. */
function close(received: number[][], expected: number[][]): void {
  const size = Math.max(...expected.flat().map(Math.abs));
  expect(received.length).toBe(expected.length);
  expected.forEach((row, index) =>
    row.forEach((value, place) => expect(Math.abs(received[index]![place]! - value)).toBeLessThan(1e-3 * size)),
  );
}

describe.each(Object.entries(golden))('scikit-learn, %s', (_name, expected) => {
  const { features, truth, classes, weights, strength } = expected;

  test('logistic regression has the same weights, probabilities and loss', async () => {
    const { kernel, bias, logits, loss, ...rest } = await solve(features, truth, classes, { weights, strength });
    expect(rest.strength).toBe(strength);
    close(logits.map(softmax), expected.logistic.probabilities);
    expect(Math.abs(loss / expected.logistic.loss - 1)).toBeLessThan(1e-3);
    const columns = bias.map((_, label) => kernel.map((row) => row[label]!));
    const two = classes === 2;
    const weightsOf = two ? [columns[1]!.map((value, index) => value - columns[0]![index]!)] : columns;
    const biases = two ? [bias[1]! - bias[0]!] : bias;
    close([...weightsOf, biases], [...expected.logistic.coefficients, expected.logistic.intercepts]);
  });

  test('the nearest centroid is the same', async () => {
    const { logits, kernel } = await solve(features, truth, classes, { solver: 'nearest-centroid' });
    expect(logits.map(largest)).toEqual(expected.nearest);
    // The kernel is the centroids, up to one scale.
    const scale = kernel[0]![0]! / expected.centroids[0]![0]!;
    close(
      kernel[0]!.map((_, label) => kernel.map((row) => row[label]! / scale)),
      expected.centroids,
    );
  });
});

/** Clouds around distant means. */
function clouds(perClass: readonly number[], width = 10, spread = 1, seed = 7): { rows: number[][]; truth: number[] } {
  const random = createRandom(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const means = perClass.map(() => Array.from({ length: width }, normal));
  const truth = perClass.flatMap((count, label) => Array.from({ length: count }, () => label));
  return { truth, rows: truth.map((label) => means[label]!.map((mean) => mean + spread * normal())) };
}

describe("strength 'auto'", () => {
  test('penalises noise and frees clear classes', async () => {
    const noise = clouds([60, 60], 40, 8);
    const clear = clouds([60, 60], 40, 0.3);
    const [strong, weak] = [
      await solve(noise.rows, noise.truth, 2, { strength: 'auto' }),
      await solve(clear.rows, clear.truth, 2, { strength: 'auto' }),
    ];
    expect(strong.strength).toBeLessThanOrEqual(0.1);
    expect(weak.strength).toBeGreaterThan(strong.strength!);
  });

  test('is the same for the same seed', async () => {
    const { rows, truth } = clouds([30, 20, 9], 12, 2);
    const [first, second] = [await solve(rows, truth, 3, { strength: 'auto' }), await solve(rows, truth, 3, { strength: 'auto' })];
    expect(first).toEqual(second);
  });

  test('does with classes of one and two examples', async () => {
    const { rows, truth } = clouds([1, 2, 30], 12, 0.5);
    const { logits, strength } = await solve(rows, truth, 3, { strength: 'auto' });
    expect(logits.map(largest)).toEqual(truth);
    expect(strength).toBeGreaterThan(0);
    const singles = clouds([1, 1, 1], 12, 0.5);
    const fallback = await solve(singles.rows, singles.truth, 3, { strength: 'auto' });
    expect(fallback.strength).toBe(0.01);
    expect(fallback.logits.map(largest)).toEqual(singles.truth);
  });

  test('chooses on a part of many examples', async () => {
    const { rows, truth } = clouds([3000, 2000], 4, 1);
    const { logits, strength } = await solve(rows, truth, 2, { strength: 'auto' });
    const right = logits.filter((row, index) => largest(row) === truth[index]).length;
    expect(right / truth.length).toBeGreaterThan(0.75);
    expect(strength).toBeGreaterThan(0);
  });
});

describe('a solver', () => {
  test('gives a label without examples a probability near nothing, for any input', async () => {
    const { rows, truth } = clouds([20, 20, 20], 6, 1);
    const skipped = truth.map((label) => (label === 1 ? 3 : label));
    for (const solver of ['logistic-regression', 'nearest-centroid'] as const) {
      const { kernel, bias, logits } = await solve(rows, skipped, 5, { solver });
      expect(new Set(logits.map(largest))).toEqual(new Set([0, 2, 3]));
      for (const far of [1e3, -1e3]) {
        const scores = softmax(
          bias.map((value, label) => value + kernel.reduce((sum, row, index) => sum + row[label]! * (index % 2 ? far : -far), 0)),
        );
        expect(scores[1]! + scores[4]!).toBeLessThan(1e-8);
      }
    }
  });

  test('counts an example of weight two as two examples', async () => {
    const { rows, truth } = clouds([15, 12], 4, 2);
    for (const solver of ['logistic-regression', 'nearest-centroid'] as const) {
      const weighted = await solve(rows, truth, 2, { solver, weights: rows.map(() => 2) });
      const repeated = await solve([...rows, ...rows], [...truth, ...truth], 2, { solver });
      // The scale of the centroids may differ: a copy stays behind when an example is left out.
      const size = (kernel: number[][]) => (solver === 'nearest-centroid' ? Math.hypot(...kernel.flat()) : 1);
      const scaled = (kernel: number[][]) => kernel.map((row) => row.map((value) => value / size(kernel)));
      close(scaled(weighted.kernel), scaled(repeated.kernel));
      if (solver === 'logistic-regression') expect(weighted.loss).toBeCloseTo(repeated.loss, 5);
    }
  });

  test("gives centroids' confidences that fit how often they are right", async () => {
    const { rows, truth } = clouds([200, 200, 200], 12, 3);
    const { logits } = await solve(rows, truth, 3, { solver: 'nearest-centroid' });
    const confident = logits.map((row) => Math.max(...softmax(row)));
    const right = logits.filter((row, index) => largest(row) === truth[index]).length / truth.length;
    expect(Math.abs(confident.reduce((sum, value) => sum + value, 0) / confident.length - right)).toBeLessThan(0.08);
  });

  test('takes one example a class', async () => {
    const { rows, truth } = clouds([1, 1], 5, 0.1);
    const { logits } = await solve(rows, truth, 2, { solver: 'nearest-centroid' });
    expect(logits.map(largest)).toEqual(truth);
  });

  test('refuses what it cannot use, and says what to do', async () => {
    const { rows, truth } = clouds([4, 4], 3, 1);
    await expect(
      solve(
        rows,
        truth.map(() => 1),
        2,
      ),
    ).rejects.toThrow(/bad-data: a classifier cannot be solved from examples of one label/);
    await expect(solve(rows, truth, 2, { weights: rows.map(() => 0) })).rejects.toThrow(/bad-data.*no label alone/);
    await expect(solve(rows, truth, 2, { weights: [1, 2] })).rejects.toThrow(
      /bad-option: a solver needs one weight of at least 0 for each of 8/,
    );
    await expect(solve(rows, truth, 2, { weights: rows.map(() => -1) })).rejects.toMatchObject({ code: 'bad-option' });
    for (const strength of [0, -1, Number.NaN, 'strong' as never])
      await expect(solve(rows, truth, 2, { strength })).rejects.toThrow(
        /bad-option: the strength of a solver must be 'auto' or a positive number/,
      );
    const controller = new AbortController();
    controller.abort();
    await expect(solve(rows, truth, 2, { signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' });
  });

  test('keeps nothing', async () => {
    const { rows, truth } = clouds([12, 12], 5, 1);
    await expectNoLeaks(async () => {
      for (const strength of ['auto', 1] as const) await solve(rows, truth, 2, { strength });
      await solve(rows, truth, 2, { solver: 'nearest-centroid' });
      await solve(
        rows,
        truth.map(() => 0),
        2,
      ).catch(() => undefined);
    });
  });
});
