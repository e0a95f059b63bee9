import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, test } from 'vitest';
import { addHead, classification, createAdapter, lora, runtime, type AnyBackbone, type Dataset } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { examples, imageFolder } from 'transferkit/data';
import { expectFailure, tinyBase, tinyModel } from 'transferkit/testing';
import { createFeatureStore, type FeatureStore, type StoreOptions } from '../../src/training/feature-store.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { counting, drawn, drawnPicture, drawnTexts, range } from './drawn-data.js';

await runtime.chooseBackend('wasm');
const root = mkdtempSync(join(tmpdir(), 'transferkit-features-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const freshFolder = (): string => join(root, String(folders++));

/** Everything that a store holds, as plain numbers. */
async function contents(store: FeatureStore, view = 0): Promise<number[][]> {
  const rows = await store.read(range(0, store.count), view);
  return rows.map(({ branches, target }) => [...branches.flat(), ...target].flatMap(({ values }) => [...values]));
}

interface Filled {
  readonly jobs: number;
  readonly rows: number[][];
  readonly store: FeatureStore;
}

/** Fills a store, and says what was computed and what is in it. */
async function fill(
  model: AnyModel,
  data: Dataset,
  directory: string | undefined,
  more: Partial<StoreOptions> = {},
  firstGroup = groupsOf(model),
): Promise<Filled> {
  const extractor = counting(model, firstGroup);
  const disk = directory === undefined ? {} : { disk: { directory, worthMilliseconds: 0 } };
  const store = await createFeatureStore(model, data, firstGroup, { budget: 2 ** 30, extractor, ...disk, ...more });
  const rows = await contents(store);
  await store.close();
  return { jobs: extractor.jobs, rows, store };
}

const groupsOf = (model: AnyModel): number => model.base.groups.length;
const pictures = await tinyModel(mobilenetV2, runtime);
const texts = await tinyModel(bert, runtime);
afterAll(() => {
  pictures.dispose();
  texts.dispose();
});

describe('what was computed once is found again', () => {
  test('adding 20 photos to 2,000 recomputes 20; removing, renaming, relabelling and reordering none', async () => {
    const directory = freshFolder();
    const first = await fill(pictures, drawn(range(0, 2000)), directory);
    expect(first.jobs).toBe(2000);
    const more = await fill(pictures, drawn(range(0, 2020)), directory);
    expect(more.jobs).toBe(20);
    expect(more.rows.slice(0, 2000)).toEqual(first.rows);
    const renamed = await fill(pictures, drawn(range(500, 2020), 'other-name'), directory);
    expect(renamed.jobs).toBe(0);
    expect(renamed.rows).toEqual(more.rows.slice(500));
    const backwards = await fill(pictures, drawn(range(0, 2020).reverse()), directory);
    expect(backwards.jobs).toBe(0);
    expect(backwards.rows).toEqual([...more.rows].reverse());
    const relabelled = examples(range(0, 5).map((number) => ({ image: drawnPicture(number), label: 'odd' }))) as unknown as Dataset;
    const other = await fill(pictures, relabelled, directory);
    expect(other.jobs).toBe(0);
    expect(other.rows[0]!.slice(-2)).toEqual([0, 1]);
  });

  test('photos in files are known by their content: a renamed one is found, a changed one is not', async () => {
    const [directory, photos] = [freshFolder(), freshFolder()];
    const save = async (path: string, number: number) =>
      runtime.writeFile!(join(photos, path), await runtime.encodeImage!(picture(number)));
    for (const number of range(0, 8)) await save(`${number % 2 === 0 ? 'even' : 'odd'}/${number}.png`, number);
    const first = await fill(pictures, await imageFolder(photos), directory);
    expect(first.jobs).toBe(8);
    writeFileSync(join(photos, 'odd/renamed.png'), readFileSync(join(photos, 'odd/1.png')));
    rmSync(join(photos, 'odd/1.png'));
    expect((await fill(pictures, await imageFolder(photos), directory)).jobs).toBe(0);
    await save('even/0.png', 100);
    expect((await fill(pictures, await imageFolder(photos), directory)).jobs).toBe(1);
  });

  test('memory too small for anything: everything comes from disk, and is the same', async () => {
    const directory = freshFolder();
    const inMemory = await fill(texts, drawnTexts(range(0, 150)), undefined);
    const first = await fill(texts, drawnTexts(range(0, 150)), directory, { budget: 0 });
    expect(first.jobs).toBe(150);
    expect(first.rows).toEqual(inMemory.rows);
    const again = await fill(texts, drawnTexts(range(0, 150)), directory, { budget: 0 });
    expect(again.jobs).toBe(0);
    expect(again.rows).toEqual(inMemory.rows);
  });

  test('a spoilt record is computed again, and the result is the same', async () => {
    const directory = freshFolder();
    const first = await fill(texts, drawnTexts(range(0, 60)), directory);
    const store = join(directory, 'features', readdirSync(join(directory, 'features'))[0]!);
    const path = join(
      store,
      readdirSync(store).find((name) => name.endsWith('.data'))!,
    );
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 4;
    writeFileSync(path, bytes.subarray(0, bytes.length - 10));
    const again = await fill(texts, drawnTexts(range(0, 60)), directory);
    expect(again.jobs).toBe(2);
    expect(again.rows).toEqual(first.rows);
    expect((await fill(texts, drawnTexts(range(0, 60)), directory)).jobs).toBe(0);
  });

  test('a cheap prefix whose features fit into memory is not written; what does not fit is', async () => {
    const directory = freshFolder();
    const options = { disk: { directory, worthMilliseconds: 1e9 } };
    await fill(pictures, drawn(range(0, 70)), undefined, options);
    expect(() => readdirSync(directory)).toThrow('ENOENT');
    await fill(pictures, drawn(range(0, 70)), undefined, { ...options, budget: 1000 });
    const { jobs } = await fill(pictures, drawn(range(0, 70)), undefined, { ...options, budget: 1000 });
    expect(jobs).toBeGreaterThan(0);
    expect(jobs).toBeLessThan(20);
  });

  test('a bad photo is skipped each time, and what else there is, is found', async () => {
    const directory = freshFolder();
    const items = [
      ...range(0, 6).map((number) => ({ image: drawnPicture(number) as never, label: 'even' })),
      { image: 'no-such-file.png', label: 'odd' },
    ];
    const data = examples(items, { onBadItem: 'skip' }) as unknown as Dataset;
    for (const jobs of [7, 1]) {
      const filled = await fill(pictures, data, directory);
      expect(filled.jobs).toBe(jobs);
      expect(filled.store.skipped).toEqual([{ id: 'example 6', reason: expect.stringContaining('no-such-file.png') }]);
    }
    await expectFailure(() => fill(pictures, examples(items) as unknown as Dataset, directory), 'not-found', 'example 6');
  });

  test('a label that the head does not know is refused, found or not', async () => {
    const directory = freshFolder();
    await fill(pictures, drawn([1, 2]), directory);
    const data = examples([{ image: drawnPicture(1), label: 'neither' }]) as unknown as Dataset;
    await expectFailure(() => fill(pictures, data, directory), 'bad-data', 'neither');
  });
});

const picture = (number: number) => drawnPicture(number, 16);

describe('features of one base are never taken for those of another', () => {
  const data = drawn(range(0, 4));
  const found = async (model: AnyModel, directory: string, firstGroup = groupsOf(model)): Promise<number> =>
    4 - (await fill(model, data, directory, {}, firstGroup)).jobs;

  test('other weights, recipe, border or features', async () => {
    const directory = freshFolder();
    const model = await tinyModel(mobilenetV2, runtime);
    expect(await found(model, directory)).toBe(0);
    const twin = await tinyModel(mobilenetV2, runtime);
    expect(await found(twin, directory)).toBe(4);

    const weight = [...twin.base.weights().values()].find(({ shape }) => shape.length === 1)!;
    const before = weight.read().clone();
    const changed = tf.add(before, tf.scalar(1e-6));
    weight.write(changed);
    expect(await found(twin, directory)).toBe(0);
    weight.write(before);
    expect(await found(twin, directory)).toBe(4);

    expect(await found(model, directory, groupsOf(model) - 1)).toBe(0);

    const recipe = { ...mobilenetV2.tiny.input, mean: [0.1, 0.1, 0.1] };
    const family = { ...mobilenetV2, tiny: { ...mobilenetV2.tiny, input: recipe } } as unknown as AnyBackbone;
    const other = await tinyModel(family, runtime);
    expect(await found(other, directory)).toBe(0);
    for (const each of [model, twin, other]) each.dispose();
  });

  test('weights behind the border do not matter, nor do the labels', async () => {
    const directory = freshFolder();
    const model = await tinyModel(mobilenetV2, runtime);
    const border = groupsOf(model) - 1;
    await found(model, directory, border);
    const last = model.base.parts.built.groups.at(-1)!.layers.flatMap((layer) => layer.weights)[0]!;
    last.write(tf.add(last.read(), 1));
    expect(await found(model, directory, border)).toBe(4);
    const more = addHead(model.base, classification(['even', 'odd', 'neither'])) as unknown as AnyModel;
    expect(await found(more, directory, border)).toBe(4);
    more.dispose();
    model.dispose();
  });

  test('another tokenizer', async () => {
    const directory = freshFolder();
    const model = await tinyModel(bert, runtime);
    const sentences = drawnTexts(range(0, 4));
    await fill(model, sentences, directory);
    expect((await fill(model, sentences, directory)).jobs).toBe(0);
    const files = new Map([...model.base.parts.processor.files].map(([name, bytes]) => [name, Uint8Array.from([...bytes, 10])]));
    const base = model.base as unknown as { parts: object };
    base.parts = { ...base.parts, processor: { ...model.base.parts.processor, files } };
    expect((await fill(model, sentences, directory)).jobs).toBe(4);
    model.dispose();
  });

  test('the same base under another name in the process is the same base', async () => {
    const directory = freshFolder();
    const first = await tinyBase(bert, runtime);
    const second = await tinyBase(bert, runtime);
    const models = [first, second].map((base) => addHead(base, classification(['even', 'odd'])) as unknown as AnyModel);
    const sentences = drawnTexts(range(0, 4));
    const one = await fill(models[0]!, sentences, directory, {}, 1);
    const two = await fill(models[1]!, sentences, directory, {}, 1);
    expect(two.jobs).toBe(0);
    expect(two.rows).toEqual(one.rows);
    for (const model of models) model.dispose();
  });
});

test('an adapter in front of the border makes other features, and so does what it learnt', async () => {
  const directory = freshFolder();
  const model = await tinyModel(bert, runtime);
  const sentences = drawnTexts(range(0, 4));
  const jobs = async (): Promise<number> => (await fill(model, sentences, directory)).jobs;
  expect([await jobs(), await jobs()]).toEqual([4, 0]);
  const adapter = createAdapter(model.base, lora({ rank: 2 }));
  model.useAdapter(adapter);
  expect([await jobs(), await jobs()]).toEqual([4, 0]);
  const { variable } = adapter.weights().find(({ name }) => name.endsWith('lora_b'))!;
  variable.assign(tf.add(variable, 0.5));
  expect([await jobs(), await jobs()]).toEqual([4, 0]);
  const stored = await fill(model, sentences, directory);
  expect(stored.rows[0]!.slice(0, -2)).toEqual([...(await model.embed([sentences.items[0]!.input as string])).values]);
  model.useAdapter(undefined);
  expect(await jobs()).toBe(0);
  adapter.dispose();
  model.dispose();
});
