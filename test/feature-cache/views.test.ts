import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runtime, type EncodedInput } from 'transferkit';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { expectFailure, expectNoLeaks, tinyModel } from 'transferkit/testing';
import { viewRandom } from '../../src/inputs/augment/view-random.js';
import { advanceStore, createFeatureStore, type FeatureStore, type StoreOptions } from '../../src/training/feature-store.js';
import { counting, drawn, range } from './drawn-data.js';

await runtime.chooseBackend('wasm');
const root = mkdtempSync(join(tmpdir(), 'transferkit-views-'));
const model = await tinyModel(mobilenetV2, runtime);
afterAll(() => {
  model.dispose();
  rmSync(root, { recursive: true, force: true });
});
let folders = 0;
const groups = model.base.groups.length;
const augmentation = { kind: 'image', flip: 0.5, crop: { scale: [0.5, 1] } } as const;
const data = drawn(range(0, 12));
const all = range(0, 12);

const rowsOf = async (store: FeatureStore, view: number, indices: readonly number[] = all): Promise<number[][]> =>
  (await store.read(indices, view)).map(({ branches }) => branches.flat().flatMap(({ values }) => [...values]));

async function open(more: Partial<StoreOptions>, firstGroup = groups) {
  const extractor = counting(model, firstGroup);
  const store = await createFeatureStore(model, data, firstGroup, { budget: 2 ** 24, seed: 7, augmentation, extractor, ...more });
  return { store, extractor };
}

describe('views', () => {
  test('those ahead are computed once, one beyond each time, and all are always the same', async () => {
    const { store, extractor } = await open({ views: 2 });
    expect(extractor.jobs).toBe(36);
    const views = [await rowsOf(store, 0), await rowsOf(store, 1), await rowsOf(store, 2)];
    expect(extractor.jobs).toBe(36);
    expect(new Set(views.map((view) => JSON.stringify(view))).size).toBe(3);
    const beyond = await rowsOf(store, 3, [4, 2]);
    expect(await rowsOf(store, 3, [2, 4])).toEqual([...beyond].reverse());
    expect(extractor.jobs).toBe(40);
    const none = await open({ views: 0 });
    expect(await rowsOf(none.store, 1)).toEqual(views[1]);
    const otherSeed = await open({ views: 1, seed: 8 });
    expect(await rowsOf(otherSeed.store, 1)).not.toEqual(views[1]);
    expect(await rowsOf(otherSeed.store, 0)).toEqual(views[0]);
  });

  test('a view is what the processor makes of the draws of its example', async () => {
    const { store } = await open({ views: 0 }, 0);
    const { input, id } = data.items[5]!;
    const expected: EncodedInput = await model.base.parts.processor.encode(input, { augmentation, random: viewRandom(7, id, 3) });
    expect(await rowsOf(store, 3, [5])).toEqual([[...expected.arrays[0]!.values]]);
  });

  test('in front of the first group nothing augmented is kept', async () => {
    const { store, extractor } = await open({ views: 4 }, 0);
    expect(extractor.jobs).toBe(12);
    await rowsOf(store, 1);
    await rowsOf(store, 1);
    expect(extractor.jobs).toBe(36);
    await rowsOf(store, 0);
    expect(extractor.jobs).toBe(36);
  });

  test('are found on disk; another augmentation is not mistaken', async () => {
    const disk = { directory: join(root, String(folders++)), worthMilliseconds: 0 };
    const first = await open({ views: 1, disk, budget: 0 });
    const expected = [await rowsOf(first.store, 0), await rowsOf(first.store, 1)];
    await first.store.close();
    const again = await open({ views: 2, disk });
    expect(again.extractor.jobs).toBe(12);
    expect([await rowsOf(again.store, 0), await rowsOf(again.store, 1)]).toEqual(expected);
    await again.store.close();
    const other = await open({ views: 1, disk, augmentation: { kind: 'image', flip: 0.6, crop: { scale: [0.5, 1] } } });
    expect(other.extractor.jobs).toBe(12);
    expect(other.extractor.plain).toBe(0);
    await other.store.close();
  });
});

describe('a store behind a later border', () => {
  test('has the views of the store it is made from, from memory, disk or anew', async () => {
    const direct = await open({ views: 1 });
    const expected = [await rowsOf(direct.store, 0), await rowsOf(direct.store, 1), await rowsOf(direct.store, 2)];
    const disk = { directory: join(root, String(folders++)), worthMilliseconds: 0 };
    for (const more of [{}, { budget: 0 }, { disk }, { budget: 0, disk }]) {
      for (const border of [0, groups - 1]) {
        const { store } = await open({ views: 1, ...more }, border);
        const advanced = await advanceStore(model, store, groups);
        for (const view of [0, 1, 2]) expect(await rowsOf(advanced, view)).toEqual(expected[view]);
        expect(advanced).toMatchObject({ count: 12, targets: store.targets, lengths: store.lengths, firstGroup: groups });
        expect(advanced.weights).toEqual(store.weights);
        await store.close();
      }
    }
  });
});

describe('the rest', () => {
  test('every example weighs 1 where nothing else is said', async () => {
    const { store } = await open({});
    expect([...store.weights]).toEqual(all.map(() => 1));
  });

  test('aborting stops the filling, nothing leaks, and what was computed is found', async () => {
    const disk = { directory: join(root, String(folders++)), worthMilliseconds: 0 };
    const many = drawn(range(0, 300));
    await expectNoLeaks(async () => {
      const controller = new AbortController();
      const options = { budget: 0, disk, signal: controller.signal, onItems: () => controller.abort('enough') };
      await expectFailure(() => createFeatureStore(model, many, groups, options), 'aborted', 'while features were computed');
    });
    const extractor = counting(model, groups);
    const store = await createFeatureStore(model, many, groups, { budget: 0, disk, extractor });
    expect(extractor.jobs).toBeLessThan(300);
    await store.close();
  });
});
