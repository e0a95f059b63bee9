import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { classificationReport } from '../../src/evaluation/classification-report.js';
import { correlation } from '../../src/evaluation/correlation.js';
import { classification } from '../../src/heads/classification.js';

// Made by tools/golden/metrics.py; the versions are in the files.
const golden = (name: string) => JSON.parse(readFileSync(new URL(`../golden/metrics/${name}.json`, import.meta.url), 'utf8')).cases;

interface ClassificationCase {
  logits: number[][];
  truth: number[];
  loss: number;
  accuracy: number;
  topK: number[] | null;
  precision: number[];
  recall: number[];
  f1: number[];
  support: number[];
  macro: number[];
  weighted: number[];
  confusion: number[][];
  balancedWeights: number[];
}

/** Every answer through the head's own decoding. */
function judge({ logits, truth }: ClassificationCase) {
  const labels = logits[0]!.map((_, index) => `class ${index}`);
  const head = classification(labels);
  const outcomes = logits.map((row, index) => {
    const prediction = head.decode([{ shape: [row.length], values: Float32Array.from(row) }], []);
    const target = labels[truth[index]!]!;
    return { id: String(index), target, prediction, loss: -Math.log(prediction.scores[target]!), metrics: {} };
  });
  return { labels, head, targets: outcomes.map(({ target }) => target), report: classificationReport({ labels, outcomes, seed: 1 }) };
}

const close = (received: ArrayLike<number>, expected: readonly number[], digits = 12): void => {
  expect(received).toHaveLength(expected.length);
  expected.forEach((value, index) => expect(received[index]).toBeCloseTo(value, digits));
};

describe.each((golden('classification') as ClassificationCase[]).map((example, index) => ({ index, example })))(
  'scikit-learn, case $index',
  ({ example }) => {
    const { labels, head, targets, report } = judge(example);

    it('gives the same figures', () => {
      const classes = labels.map((label) => report.perClass[label]!);
      for (const name of ['precision', 'recall', 'f1', 'support'] as const)
        close(
          classes.map((metrics) => metrics[name]),
          example[name],
        );
      close([report.macro.precision, report.macro.recall, report.macro.f1], example.macro);
      close([report.weighted.precision, report.weighted.recall, report.weighted.f1], example.weighted);
      expect(report.confusion.matrix).toEqual(example.confusion);
      expect(report.accuracy).toBeCloseTo(example.accuracy, 12);
      expect(report.loss).toBeCloseTo(example.loss, 6);
      if (example.topK !== null) close(Object.values(report.topK), example.topK);
    });

    it('gives the same balanced weights', () => close(head.exampleWeights!(targets, 'balanced'), example.balancedWeights, 6));
  },
);

interface CorrelationCase {
  first: number[];
  second: number[];
  pearson: number;
  spearman: number;
  meanAbsoluteError: number;
  rootMeanSquaredError: number;
}

it.each((golden('correlation') as CorrelationCase[]).map((example, index) => ({ index, example })))('SciPy, case $index', ({ example }) => {
  const figures = correlation(example.first, example.second);
  for (const name of ['pearson', 'spearman', 'meanAbsoluteError', 'rootMeanSquaredError'] as const)
    expect(figures[name]).toBeCloseTo(example[name], 10);
});
