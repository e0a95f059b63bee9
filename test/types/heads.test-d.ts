import { expectTypeOf, test } from 'vitest';
import type { ClassificationReport } from '../../src/evaluation/classification-report.js';
import { classification, classificationHead, type ClassPrediction } from '../../src/heads/classification.js';
import type { AnyHead, Head } from '../../src/heads/head.js';
import { similarity, type SimilarityPrediction } from '../../examples/plugins/similarity-head.js';

test('labels are typed by what was written', () => {
  const head = classification(['cat', 'dog']);
  expectTypeOf(head).toEqualTypeOf<Head<'cat' | 'dog', ClassPrediction<'cat' | 'dog'>, ClassificationReport<'cat' | 'dog'>>>();
  const prediction = head.decode([], []);
  expectTypeOf(prediction.label).toEqualTypeOf<'cat' | 'dog'>();
  expectTypeOf(prediction.scores.cat).toBeNumber();
  expectTypeOf(head.report([], { seed: 1 }).perClass.dog.f1).toBeNumber();
  // @ts-expect-error a label that does not exist
  head.encode('owl', []);
});

test('labels that are only known when the program runs are strings', () => {
  const labels: readonly string[] = ['a', 'b'];
  expectTypeOf(classification(labels).decode([], []).label).toEqualTypeOf<string>();
  const typed = ['a', 'b'] as readonly ('a' | 'b')[];
  expectTypeOf(classification(typed).decode([], []).label).toEqualTypeOf<'a' | 'b'>();
});

test('any head is a head, and other tasks have other types', () => {
  expectTypeOf(classification(['a', 'b'])).toExtend<AnyHead>();
  expectTypeOf(classificationHead.restore({})).toEqualTypeOf<AnyHead>();
  expectTypeOf(similarity().decode([], [])).toEqualTypeOf<SimilarityPrediction>();
  expectTypeOf<Parameters<ReturnType<typeof similarity>['encode']>[0]>().toBeNumber();
});
