import { examples } from 'transferkit/data';
import type { Dataset } from 'transferkit';
import { createRandom } from '../../src/common/random.js';
import type { Extractor } from '../../src/feature-cache/extractor.js';
import { createLocalExtractor } from '../../src/feature-cache/local-extractor.js';
import type { AnyModel } from '../../src/training/weight-set.js';

/** Pictures of noise; the same number is always the same picture. */
export function drawnPicture(number: number, size = 12): { width: number; height: number; data: Uint8Array } {
  const random = createRandom(number + 1);
  return { width: size, height: size, data: Uint8Array.from({ length: size * size * 3 }, () => random.integer(256)) };
}

const labelOf = (number: number): 'even' | 'odd' => (number % 2 === 0 ? 'even' : 'odd');

/** A data set of some drawn pictures. */
export function drawn(numbers: readonly number[], prefix = 'picture'): Dataset {
  return examples(
    numbers.map((number) => ({ id: `${prefix}-${number}`, image: drawnPicture(number), label: labelOf(number) })),
  ) as unknown as Dataset;
}

const words = 'a red rose late train the quick brown fox jumps over lazy dog never again in my whole life'.split(' ');

/** Texts of 1 to 30 words; the same number is always the same text. */
export function drawnText(number: number): string {
  const random = createRandom(number + 1);
  return Array.from({ length: 1 + random.integer(30) }, () => words[random.integer(words.length)]!).join(' ');
}

export const drawnTexts = (numbers: readonly number[]): Dataset =>
  examples(numbers.map((number) => ({ text: drawnText(number), label: labelOf(number) }))) as unknown as Dataset;

export const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

/** An extractor that counts what it is asked for. */
export function counting(model: AnyModel, firstGroup: number): Extractor & { jobs: number; plain: number } {
  const inner = createLocalExtractor(model, firstGroup);
  const counter = {
    jobs: 0,
    plain: 0,
    async extract(jobs: Parameters<Extractor['extract']>[0]) {
      counter.jobs += jobs.length;
      counter.plain += jobs.filter(({ view }) => view === undefined).length;
      return inner.extract(jobs);
    },
    close: () => inner.close(),
  };
  return counter;
}
