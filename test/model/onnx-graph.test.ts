import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  addHead,
  classification,
  crossValidate,
  evaluate,
  exportOnnx,
  exportTfjs,
  fewShot,
  fineTune,
  freezeBase,
  loadModel,
  loadPretrained,
  lora,
  runtime,
  type AnyBackbone,
  type Base,
} from 'transferkit';
import { onnxImage } from 'transferkit/backbones/onnx-image';
import { onnxText } from 'transferkit/backbones/onnx-text';
import { examples } from 'transferkit/data';
import { expectFailure, tinyModel, tinySamples } from 'transferkit/testing';
import { createLocalExtractor } from '../../src/feature-cache/local-extractor.js';
import { storeIdentity } from '../../src/feature-cache/store-key.js';
import { createFeatureStore } from '../../src/training/feature-store.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { createWorkerExtractor } from '../../src/workers/worker-extractor.js';
import { withOnnxRuntime } from '../engines/with-onnx-runtime.js';
import { counting, drawnText, range } from '../feature-cache/drawn-data.js';
import { startHub } from '../sources/hub-server.js';

const shelf = mkdtempSync(join(tmpdir(), 'transferkit-graph-'));
afterAll(() => rmSync(shelf, { recursive: true, force: true }));

const golden = join(import.meta.dirname, '../golden/onnx-graph');
const folderOf = (name: string): string => join(golden, name, 'checkpoint');
const quiet = { progress: false, validation: 0 } as const;

/** Every file of a folder by its path. */
const filesOf = (folder: string): Record<string, Uint8Array> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path)]),
  );

const texts = examples(
  [
    'the red rose',
    'a red rose is good',
    'red roses in the sky',
    'very red and good',
    'the late train',
    'a train is late',
    'late trains run',
    'the train was late',
  ].map((text, index) => ({ text, label: index < 4 ? 'rose' : 'train' })),
);
const textModel = async (config = {}): Promise<AnyModel> =>
  addHead((await loadPretrained({ source: folderOf('text'), config })) as Base<'text'>, classification(texts.labels)) as AnyModel;

withOnnxRuntime('a repository for transformers.js', () => {
  test('is loaded from a Hub, carries a head, and is saved whole', async () => {
    const hub = await startHub({ repos: { 'tiny/text': { files: filesOf(folderOf('text')), license: 'mit' } } });
    const options = { endpoint: hub.endpoint, cacheDir: join(shelf, 'cache') };
    const base = await loadPretrained<'text'>('hf://tiny/text', options);
    expect(base.parts.family.name).toBe('onnx-text');
    // Other variants are not fetched.
    expect(
      hub.log
        .map(({ path }) => path)
        .filter((path) => path.includes('.onnx'))
        .every((path) => path.endsWith('/onnx/model.onnx')),
    ).toBe(true);
    const model = addHead(base, classification(texts.labels));
    const { plan } = await fineTune(model, texts, quiet);
    expect(plan.strategy.name).toBe('linearProbe');
    expect((await evaluate(model, texts)).metrics.accuracy).toBe(1);
    const inputs = texts.items.map(({ input }) => input as string);
    const predictions = await model.predict(inputs);

    await model.save(join(shelf, 'saved'));
    model.dispose();
    await hub.close();
    using loaded = await loadModel<'text'>(join(shelf, 'saved'));
    expect(await loaded.predict(inputs)).toEqual(predictions);
    expect(loaded.base.provenance).toMatchObject({ origin: 'hf://tiny/text', license: 'mit' });
    await loaded.save(join(shelf, 'again'));
    expect(filesOf(join(shelf, 'again'))).toEqual({ ...filesOf(join(shelf, 'saved')), 'README.md': expect.anything() });

    // Fetched once, it is there without the server; and what was saved is one more checkpoint.
    using offline = await loadPretrained<'text'>('hf://tiny/text', { ...options, offline: true });
    using saved = await loadPretrained<'text'>(join(shelf, 'saved'));
    expect(await offline.embed(inputs)).toEqual(await saved.embed(inputs));
    await expectFailure(
      () => loadPretrained({ source: join(shelf, 'saved'), config: { variant: 'fp16' } }),
      'unknown-name',
      'setting of onnx-text "variant"',
    );
  });

  test('holds the graph as it was cut: another one in its place is noticed', async () => {
    using base = await loadPretrained<'image'>({ source: folderOf('image'), config: { output: 'last_hidden_state' } });
    const model = addHead(base, classification(['a', 'b']));
    const place = join(shelf, 'image');
    await model.save(place);
    using loaded = await loadModel<'image'>(place);
    const photo = { width: 60, height: 50, data: Uint8Array.from({ length: 9000 }, (_, index) => index % 251) };
    expect(await loaded.predict(photo)).toEqual(await model.predict(photo));
    writeFileSync(join(place, 'onnx/model.onnx'), readFileSync(join(folderOf('image'), 'onnx/model.onnx')));
    using whole = await loadModel<'image'>(place); // cut again, it is the same
    expect(await whole.predict(photo)).toEqual(await model.predict(photo));
    writeFileSync(join(place, 'onnx/model.onnx'), readFileSync(join(folderOf('text'), 'onnx/model.onnx')));
    await expectFailure(() => loadModel(place), 'corrupt-file', 'is not the graph that the configuration tells of');
    rmSync(join(place, 'onnx'), { recursive: true });
    await expectFailure(() => loadModel(place), 'not-found', '"onnx/model.onnx"');
    model.dispose();
  });

  test('is loaded by the path of one of its graphs', async () => {
    using named = await loadPretrained<'text'>(join(folderOf('text'), 'onnx/model_quantized.onnx'));
    using chosen = await loadPretrained<'text'>({ source: folderOf('text'), config: { variant: 'quantized' } });
    expect(await named.embed('the rose')).toEqual(await chosen.embed('the rose'));
    using beside = await loadPretrained<'text'>(join(folderOf('sentence'), 'model.onnx'));
    expect(beside.parts.config).toMatchObject({ kind: 'pooled' });
  });
});

withOnnxRuntime('a head on a graph', () => {
  test('learns step by step, and is judged in folds; the base stays as it is', async () => {
    using model = await textModel();
    const before = await model.base.embed('the red rose');
    const { history } = await fineTune(model, texts as never, { ...quiet, epochs: 30, learningRate: 0.05, cache: false });
    expect(history.epochs.at(-1)!.loss).toBeLessThan(history.epochs[0]!.loss);
    const { mean } = await crossValidate(model.base as Base<'text'>, texts, { folds: 2 });
    expect(mean['accuracy']).toBeGreaterThan(0.5);
    expect(await model.base.embed('the red rose')).toEqual(before);
  });

  test.each<[string, AnyBackbone]>([
    ['onnx-text', onnxText],
    ['onnx-image', onnxImage],
  ])('%s: features of two workers are those of this thread, bit by bit', async (_name, family) => {
    using model = await tinyModel(family, runtime);
    const jobs = [...tinySamples(family).items, ...tinySamples(family).items].map((item) => ({ item }));
    const workers = await createWorkerExtractor(model, 1, 2);
    try {
      expect(await workers.extract(jobs)).toEqual(await createLocalExtractor(model, 1).extract(jobs));
    } finally {
      await workers.close();
    }
  });

  test('is trained in a worker as it is here', async () => {
    using here = await textModel();
    using there = await textModel();
    await fineTune(here, texts as never, { ...quiet, epochs: 3, cache: false });
    await fineTune(there, texts as never, { ...quiet, epochs: 3, cache: false, worker: true });
    expect(await there.predict('a late rose' as never)).toEqual(await here.predict('a late rose' as never));
  });

  test('finds features on disk again, by the graph, where it is cut and what ran it', async () => {
    const data = examples(range(0, 30).map((number) => ({ text: drawnText(number), label: number % 2 === 0 ? 'rose' : 'train' })));
    const fill = async (model: AnyModel): Promise<number> => {
      const extractor = counting(model, 1);
      const disk = { directory: join(shelf, 'features'), worthMilliseconds: 0 };
      const store = await createFeatureStore(model, data as never, 1, { budget: 2 ** 30, extractor, disk });
      await store.read(range(0, 30));
      await store.close();
      return extractor.jobs;
    };
    using first = await textModel();
    using same = await textModel();
    using other = await textModel({ variant: 'fp16' });
    using pooled = await textModel({ pooling: 'cls' });
    expect([await fill(first), await fill(same), await fill(other), await fill(pooled)]).toEqual([30, 0, 30, 30]);
    const { parts } = same.base;
    const updated = {
      head: same.head,
      adapter: undefined,
      base: Object.assign(Object.create(same.base), { parts: { ...parts, attached: { ...parts.attached!, runBy: 'onnxruntime-node 9' } } }),
    };
    const names = await Promise.all(
      [first, same, updated].map(async (model) => (await storeIdentity(model as unknown as AnyModel, 1)).name),
    );
    expect(names[1]).toBe(names[0]);
    expect(names[2]).not.toBe(names[0]);
  });
});

withOnnxRuntime('what a graph cannot', () => {
  test('be unfrozen, in whichever way', async () => {
    using model = await textModel();
    const refused = (work: () => unknown) => expectFailure(async () => work(), 'unsupported', '"graph" cannot be unfrozen');
    await refused(() => freezeBase(model.base, { unfreeze: 'all' }));
    for (const unfreeze of ['all', { last: 1 }, { from: 'graph' }, () => true] as const)
      await refused(() => fineTune(model, texts as never, { ...quiet, unfreeze }));
    for (const strategy of ['all', 'last', 'fastai', 'gradual', 'probeThenFineTune'] as const)
      await refused(() => fineTune(model, texts as never, { ...quiet, strategy }));
    const stages = [{ name: 'half', unfreeze: { share: 0.5 } }];
    await refused(() => fineTune(model, texts as never, { ...quiet, strategy: { name: 'own', stages } }));
    await refused(() =>
      fineTune(model, texts as never, { ...quiet, strategy: { name: 'own', stages: [{ name: 'one', unfreeze: { groups: ['graph'] } }] } }),
    );
    await refused(() => fineTune(model, texts as never, { ...quiet, unfreeze: 'all', worker: true }));
    await refused(() => fewShot(model.base as Base<'text'>, texts, { progress: false }));
    expect(model.base.busy).toBe(false);
    expect(model.base.models).toBe(1);
    await fineTune(model, texts as never, { ...quiet, epochs: 1, cache: false });
  });

  test('have an adapter, or be exported', async () => {
    using model = await textModel();
    await expectFailure(
      () => fineTune(model, texts as never, { ...quiet, adapter: lora() }),
      'bad-option',
      'onnx-text has nothing that could be adapted',
    );
    await expectFailure(() => exportOnnx(model, join(shelf, 'onnx')), 'unsupported', 'graph');
    await expectFailure(() => exportTfjs(model, join(shelf, 'tfjs')), 'unsupported', 'graph');
    expect(readdirSync(shelf)).not.toContain('onnx');
    expect(readdirSync(shelf)).not.toContain('tfjs');
  });
});

describe('without a graph', () => {
  test('an untrained one cannot be had', async () => {
    const { untrainedBase } = await import('transferkit');
    await expectFailure(
      () => untrainedBase(onnxImage, { config: onnxImage.tiny.config, input: onnxImage.tiny.input }),
      'not-found',
      'which holds the network',
    );
  });
});
