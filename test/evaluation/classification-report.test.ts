import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classificationReport } from '../../src/evaluation/classification-report.js';
import { displayWidth } from '../../src/evaluation/text-table.js';
import { TransferKitError } from '../../src/errors.js';
import { outcome, outcomesOf } from './outcomes.js';

const labels = ['cat', 'dog', 'owl'] as const;
// 6 cats: 4 found, 2 taken for dogs; 3 dogs: 2 found, 1 taken for a cat; 1 owl, taken for a cat
const matrix = [
  [4, 2, 0],
  [1, 2, 0],
  [1, 0, 0],
];
const report = classificationReport({ labels, outcomes: outcomesOf(labels, matrix), seed: 1 });

describe('figures by hand', () => {
  it('counts what was taken for what', () => {
    expect(report.confusion).toEqual({ labels, matrix });
    expect(report.count).toBe(10);
    expect(report.accuracy).toBe(0.6);
  });

  it('gives precision, recall, F1 and support of each class, 0 where nothing was predicted', () => {
    expect(report.perClass.cat).toEqual({ precision: 4 / 6, recall: 4 / 6, f1: 8 / 12, support: 6 });
    expect(report.perClass.dog).toEqual({ precision: 0.5, recall: 2 / 3, f1: 4 / 7, support: 3 });
    expect(report.perClass.owl).toEqual({ precision: 0, recall: 0, f1: 0, support: 1 });
  });

  it('averages plainly and by support', () => {
    expect(report.macro.f1).toBeCloseTo((2 / 3 + 4 / 7) / 3, 12);
    expect(report.macro.precision).toBeCloseTo((4 / 6 + 0.5) / 3, 12);
    expect(report.weighted.recall).toBeCloseTo(0.6, 12);
    expect(report.weighted.f1).toBeCloseTo((6 * (2 / 3) + 3 * (4 / 7)) / 10, 12);
  });

  it('says what the most frequent label would reach', () => {
    expect(report.baseline).toEqual({ label: 'cat', accuracy: 0.6 });
  });

  it('puts the headline first, loss among it', () => {
    expect(Object.keys(report.metrics)).toEqual(['loss', 'accuracy', 'top2Accuracy', 'macroF1', 'weightedF1']);
    expect(report.metrics['loss']).toBe(1);
  });

  it('can be added to, and is plain data as JSON', () => {
    expect(Object.assign(report, { skipped: [] }).skipped).toEqual([]);
    const data = JSON.parse(JSON.stringify(report));
    expect(data.confusion.matrix).toEqual(matrix);
    expect(data.perClass.dog.support).toBe(3);
    expect(data.interval.level).toBe(0.95);
  });
});

describe('top-k', () => {
  const scored = (target: 'a' | 'b' | 'c' | 'd', scores: Record<'a' | 'b' | 'c' | 'd', number>) => {
    const label = (Object.keys(scores) as ('a' | 'b' | 'c' | 'd')[]).reduce((best, name) => (scores[name] > scores[best] ? name : best));
    return { id: target, target, prediction: { label, scores }, loss: 0, metrics: {} };
  };
  const four = ['a', 'b', 'c', 'd'] as const;

  it('counts labels among the k most probable', () => {
    const outcomes = [
      scored('a', { a: 0.7, b: 0.2, c: 0.1, d: 0 }),
      scored('b', { a: 0.7, b: 0.2, c: 0.1, d: 0 }),
      scored('d', { a: 0.7, b: 0.2, c: 0.1, d: 0 }),
    ];
    expect(classificationReport({ labels: four, outcomes, seed: 1 }).topK).toEqual({ 1: 1 / 3, 2: 2 / 3, 3: 2 / 3 });
    expect(classificationReport({ labels: four, outcomes, seed: 1, topK: 2 }).topK).toEqual({ 1: 1 / 3, 2: 2 / 3 });
    expect(classificationReport({ labels: four, outcomes, seed: 1, topK: 50 }).topK).toHaveProperty('3');
  });

  it('agrees with accuracy where scores are equal', () => {
    const outcomes = four.map((target) => scored(target, { a: 0.25, b: 0.25, c: 0.25, d: 0.25 }));
    const tied = classificationReport({ labels: four, outcomes, seed: 1 });
    expect(tied.topK[1]).toBe(tied.accuracy);
  });

  it('refuses a k that is none', () => {
    for (const topK of [0, 1.5, Number.NaN])
      expect(() => classificationReport({ labels, outcomes: outcomesOf(labels, matrix), seed: 1, topK })).toThrow(
        /bad-option: topK must be a whole number/,
      );
  });
});

describe('errors', () => {
  it('refuses to judge nothing', () => {
    expect(() => classificationReport({ labels, outcomes: [], seed: 1 })).toThrow(/bad-data: there are no examples/);
  });

  it('names the example whose label it does not know', () => {
    const stranger = { ...outcome(labels, 'cat', 'dog'), id: 'photo-7.jpg', target: 'fox' as never };
    let caught: unknown;
    try {
      classificationReport({ labels, outcomes: [stranger], seed: 1 });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(TransferKitError);
    expect((caught as TransferKitError).message).toMatch(/bad-data: example "photo-7.jpg" has the label "fox"[^]*Known: cat, dog, owl/);
  });
});

describe('summary', () => {
  it('shows everything a person asks first', () => {
    const text = report.summary();
    expect(text).toMatch(/^10 examples, 3 labels/);
    expect(text).toMatch(/accuracy\s+0\.600 {2}\(95 % interval 0\.\d{3} to [01]\.\d{3}\)/);
    expect(text).toMatch(/baseline\s+0\.600 {2}\(always "cat"\)/);
    expect(text).toMatch(/dog\s+0\.500\s+0\.667\s+0\.571\s+3/);
    expect(text).toMatch(/weighted average\s+0\.550/);
    expect(text).toMatch(/rows: true label, columns: predicted/);
    expect(text).toMatch(/1 cat\s+4\s+2\s+0/);
  });

  it('lists the most confused pairs where the matrix would be too wide', () => {
    const many = Array.from({ length: 20 }, (_, index) => `class ${index}`);
    const counts = many.map((_, truth) =>
      many.map((_, guess) => (truth === guess ? 5 : truth === 3 && guess === 8 ? 4 : guess === truth + 1 ? 1 : 0)),
    );
    const text = classificationReport({ labels: many, outcomes: outcomesOf(many, counts), seed: 1 }).summary();
    expect(text).toMatch(/most confused[^]*class 3 -> class 8\s+4\s+of 10\n/);
    expect(text.split('\n').filter((line) => line.includes(' -> '))).toHaveLength(11); // the title and ten pairs
    const perfect = many.map((_, truth) => many.map((_, guess) => (truth === guess ? 1 : 0)));
    expect(classificationReport({ labels: many, outcomes: outcomesOf(many, perfect), seed: 1 }).summary()).toMatch(
      /no example was confused/,
    );
  });

  it('lists only the weakest of very many classes', () => {
    const many = Array.from({ length: 150 }, (_, index) => `class ${index}`);
    const text = classificationReport({
      labels: many,
      outcomes: many.map((label) => outcome(many, label, label === 'class 77' ? 'class 0' : label)),
      seed: 1,
    }).summary();
    expect(text).toMatch(/class 77\s+0\.000/);
    expect(text).toMatch(/20 labels with the lowest F1 of 150/);
    expect(text.split('\n').length).toBeLessThan(40);
  });

  it('fits 80 columns whatever the labels and counts', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 0, maxLength: 90 });
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 2, maxLength: 14 }), fc.integer({ min: 1, max: 2000 }), (names, count) => {
        const counts = names.map((_, truth) =>
          names.map((_, guess) => (truth === 0 && guess === 0 ? count : truth === guess || (truth === 1 && guess === 0) ? 2 : 0)),
        );
        const text = classificationReport({ labels: names, outcomes: outcomesOf(names, counts), seed: 1 }).summary();
        for (const line of text.split('\n')) expect(displayWidth(line)).toBeLessThanOrEqual(80);
        expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
      }),
      { numRuns: 25, seed: 3 },
    );
  });
});

describe('for any answers', () => {
  const cases = fc
    .integer({ min: 2, max: 6 })
    .chain((classes) =>
      fc.array(fc.tuple(fc.nat(classes - 1), fc.nat(classes - 1)), { minLength: 1, maxLength: 60 }).map((pairs) => ({ classes, pairs })),
    );

  it('holds what must hold', () => {
    fc.assert(
      fc.property(cases, ({ classes, pairs }) => {
        const names = Array.from({ length: classes }, (_, index) => `c${index}`);
        const judged = classificationReport({
          labels: names,
          outcomes: pairs.map(([truth, guess]) => outcome(names, names[truth]!, names[guess]!)),
          seed: 5,
        });
        const everyClass = Object.values(judged.perClass);
        expect(everyClass.reduce((sum, metrics) => sum + metrics.support, 0)).toBe(pairs.length);
        expect(judged.weighted.recall).toBeCloseTo(judged.accuracy, 12);
        expect(judged.confusion.matrix.flat().reduce((sum, count) => sum + count, 0)).toBe(pairs.length);
        expect(judged.baseline.accuracy).toBe(Math.max(...everyClass.map((metrics) => metrics.support)) / pairs.length);
        expect(judged.interval.accuracy.low).toBeLessThanOrEqual(judged.accuracy);
        expect(judged.interval.accuracy.high).toBeGreaterThanOrEqual(judged.accuracy);
        expect(judged.topK[1]).toBe(judged.accuracy);
        for (const { precision, recall, f1 } of everyClass)
          for (const value of [precision, recall, f1]) expect(value >= 0 && value <= 1).toBe(true);
      }),
      { numRuns: 60, seed: 7 },
    );
  });
});
