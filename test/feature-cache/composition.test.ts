import { describe, expect, test } from 'vitest';
import { runtime, type AnyBackbone, type Dataset } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { staticEmbedding } from 'transferkit/backbones/static-embedding';
import { tinyModel } from 'transferkit/testing';
import { createRandom } from '../../src/common/random.js';
import type { ExtractedItem } from '../../src/feature-cache/extractor.js';
import { createLocalExtractor } from '../../src/feature-cache/local-extractor.js';
import { drawn, drawnTexts, range } from './drawn-data.js';

await runtime.chooseBackend('wasm');

const families: readonly (readonly [AnyBackbone, Dataset])[] = [
  [bert as unknown as AnyBackbone, drawnTexts(range(0, 70))],
  [staticEmbedding as unknown as AnyBackbone, drawnTexts(range(0, 70))],
  [mobilenetV2 as unknown as AnyBackbone, drawn(range(0, 40))],
];

const numbers = (item: ExtractedItem): unknown => {
  if ('error' in item) throw item.error;
  return item.branches.flat().map(({ shape, values }) => [shape, [...values]]);
};

describe.each(families)('features of $name', (family, data) => {
  test('are the same to the last bit, alone, together, in another order, at every border', async () => {
    const model = await tinyModel(family, runtime);
    const jobs = data.items.map((item) => ({ item }));
    for (const firstGroup of [1, model.base.groups.length]) {
      const extractor = createLocalExtractor(model, firstGroup);
      const together = (await extractor.extract(jobs)).map(numbers);
      const order = [...createRandom(4).permutation(jobs.length)];
      const shuffled = await extractor.extract(order.map((index) => jobs[index]!));
      order.forEach((index, place) => expect(numbers(shuffled[place]!)).toEqual(together[index]));
      for (const index of range(0, jobs.length).filter((number) => number % 6 === 0)) {
        const [alone] = await extractor.extract([jobs[index]!]);
        expect(numbers(alone!)).toEqual(together[index]);
      }
      const some = await extractor.extract(jobs.slice(10, 17));
      some.forEach((item, place) => expect(numbers(item)).toEqual(together[10 + place]));
    }
    model.dispose();
  });
});
