/** Exported networks, run by ONNX Runtime from their folders alone, give what the models themselves give. */
import { input, layers, model as layersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createAdapter } from '../../src/adapters/create-adapter.js';
import { lora } from '../../src/adapters/lora.js';
import { addHead } from '../../src/add-head.js';
import { backbones, findBackbone } from '../../src/backbones/index.js';
import type { PixelData } from '../../src/data/dataset.js';
import { exportOnnx, toOnnx } from '../../src/export-onnx.js';
import { contrastive } from '../../src/few-shot/contrastive-head.js';
import { readOnnx } from '../../src/graph/read-onnx.js';
import { classification } from '../../src/heads/classification.js';
import { loadPretrained } from '../../src/load-pretrained.js';
import { runtime } from '../../src/runtimes/node.js';
import { expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { tinyBase, tinyModel, tinySamples } from '../../src/testing/tiny-model.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { untrainedBase } from '../../src/untrained-base.js';
import { randomize } from '../adapters/random-adapter.js';
import { largestDifference, onnxRuntime, pixelFeeds, runFile, softmaxRows, textFeeds, type Feeds } from './run-export.js';

vi.stubEnv('TRANSFERKIT_ENGINE', 'eager'); // what is compared with is computed by tfjs
const shelf = mkdtempSync(join(tmpdir(), 'transferkit-exports-'));
beforeAll(() => runtime.chooseBackend('wasm'));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(shelf, { recursive: true, force: true });
});

const here = (await onnxRuntime()) !== undefined;
/** A graph of somebody else is a file already. */
const families = (await Promise.all(backbones.map(({ name }) => findBackbone(name)))).filter(({ attach }) => attach === undefined);
const each = families.map((family) => ({ name: family.name, family }));
const images = each.filter(({ family }) => family.modality === 'image');
const texts = each.filter(({ family }) => family.modality === 'text');

/** Pictures of a network's own size, which nothing resizes. */
const pictures = (side = 32): PixelData[] =>
  [5, 90, 200].map((tint) => ({
    width: side,
    height: side,
    data: Uint8Array.from({ length: side * side * 3 }, (_, index) => (tint + ((index * 31) % 53) + (index % 3) * 20) % 256),
  }));

const inputNames = (bytes: Uint8Array): string[] => readOnnx(bytes).inputs.map(({ name }) => name);
const networkOf = (folder: string, file = 'onnx/model.onnx'): Uint8Array => new Uint8Array(readFileSync(join(folder, file)));
const read = (folder: string, file: string): any => JSON.parse(readFileSync(join(folder, file), 'utf8'));

/** Text checkpoints of every kind of tokenizer. */
const checkpoints = ['bert', 'static-embedding'].flatMap((family) =>
  readdirSync(join('test/golden', family), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => ({ path: `${family}/${entry.name}` })),
);

/** Inputs of a family's samples, as another library makes them from the folder. */
function samplesOf(model: { base: AnyModel['base'] }, folder: string, bytes: Uint8Array): { raw: readonly unknown[]; feeds: Feeds } {
  if (model.base.modality === 'image') return { raw: pictures(), feeds: pixelFeeds(folder, pictures()) };
  const raw = tinySamples(model.base.parts.family).items.map(({ input: text }) => text as unknown as string);
  return { raw, feeds: textFeeds(folder, raw, inputNames(bytes)) };
}

const scoresOf = async (model: AnyModel, raw: readonly unknown[]): Promise<number[][]> =>
  (await model.predict(raw as never)).map(({ scores }: any) => model.labels.map((label: string) => scores[label]));

/** Exports a model and compares what the folder predicts with what the model does. */
async function expectSame(model: AnyModel, folder: string): Promise<void> {
  await exportOnnx(model, folder);
  const bytes = networkOf(folder);
  const { raw, feeds } = samplesOf(model, folder, bytes);
  const { logits } = await runFile(bytes, feeds);
  expect(logits!.shape).toEqual([raw.length, model.labels.length]);
  expect(largestDifference(softmaxRows(logits!).flat(), (await scoresOf(model, raw)).flat())).toBeLessThan(1e-4);
}

describe.runIf(here).each(each)('$name', ({ name, family }) => {
  test('a model: scores, from the folder alone', async () => {
    await expectNoLeaks(async () => {
      const model = await tinyModel(family, runtime);
      await expectSame(model, join(shelf, `${name}-model`));
      model.dispose();
    });
    const config = read(join(shelf, `${name}-model`), 'config.json');
    expect(config.id2label).toEqual({ 0: 'even', 1: 'odd' });
    expect(config.label2id).toEqual({ even: 0, odd: 1 });
    expect(config.architectures[0]).toMatch(/For(Image|Sequence)Classification$/);
  });

  test('a base: features', async () => {
    const base = await tinyBase(family, runtime);
    const folder = join(shelf, `${name}-base`);
    await exportOnnx(base, folder);
    const { raw, feeds } = samplesOf({ base }, folder, networkOf(folder));
    const outputs = await runFile(networkOf(folder), feeds);
    const pooled = outputs[family.modality === 'image' ? 'pooler_output' : 'sentence_embedding']!;
    const { values, shape } = await base.embed(raw as never);
    expect(pooled.shape).toEqual(shape);
    expect(largestDifference(pooled.values, values)).toBeLessThan(1e-5);
    // channels first for photos, one vector a token for texts
    const hidden = outputs['last_hidden_state']!;
    const [batch, second, third] = hidden.shape;
    expect([batch, family.modality === 'image' ? second : third]).toEqual([raw.length, shape[1]]);
    base.dispose();
  });

  test('any batch, one by one as together', async () => {
    const model = await tinyModel(family, runtime);
    const folder = join(shelf, `${name}-batch`);
    await exportOnnx(model, folder);
    const bytes = networkOf(folder);
    const { raw, feeds } = samplesOf(model, folder, bytes);
    const together = softmaxRows((await runFile(bytes, feeds))['logits']!);
    const one =
      family.modality === 'image' ? pixelFeeds(folder, pictures().slice(1, 2)) : textFeeds(folder, [raw[1] as string], inputNames(bytes));
    expect(largestDifference(softmaxRows((await runFile(bytes, one))['logits']!)[0]!, together[1]!)).toBeLessThan(1e-5);
    model.dispose();
  });

  test('the same model gives the same bytes', async () => {
    const model = await tinyModel(family, runtime);
    const [one, other] = [await toOnnx(model, { precision: 'int8' }), await toOnnx(model, { precision: 'int8' })];
    expect(Buffer.compare(one, other)).toBe(0);
    model.dispose();
  });

  test('only operators of ONNX itself, and a file that tells how it is used', async () => {
    const model = await tinyModel(family, runtime);
    for (const precision of ['float32', 'float16', 'int8'] as const) {
      const { operatorSets, nodes, metadata, inputs, outputs } = readOnnx(await toOnnx(model, { precision }));
      expect([...operatorSets.keys()]).toEqual(['']);
      expect(operatorSets.get('')).toBeLessThanOrEqual(20);
      expect(nodes.filter(({ domain }) => (domain ?? '') !== '')).toEqual([]);
      expect(inputs.map(({ shape }) => shape![0])).toEqual(inputs.map(() => 'batch'));
      expect(outputs.map((output) => output.name)).toEqual(['logits']);
      expect(JSON.parse(metadata.get('transferkit.input')!)).toEqual(JSON.parse(JSON.stringify(model.base.parts.processor.recipe)));
      expect(JSON.parse(metadata.get('transferkit.labels')!)).toEqual(['even', 'odd']);
      expect(metadata.get('transferkit.weights')).toBe(precision);
      expect(metadata.get('transferkit.preparation')).toMatch(/\[batch, /);
    }
    model.dispose();
  });
});

const adaptable = each.filter(({ name }) => name !== 'static-embedding');

describe.runIf(here)('what stands on a base', () => {
  test.each(adaptable.flatMap((one) => [false, true].map((dora) => ({ ...one, dora }))))(
    '$name with an adapter, DoRA $dora: merged',
    async ({ name, family, dora }) => {
      const model = await tinyModel(family, runtime);
      const plain = readOnnx(await toOnnx(model)).nodes.filter(({ operator }) => ['MatMul', 'Conv', 'Gemm'].includes(operator)).length;
      model.useAdapter(randomize(createAdapter(model.base, lora({ rank: 2, dora }))));
      const folder = join(shelf, `${name}-adapter-${dora}`);
      await expectNoLeaks(() => expectSame(model, folder));
      const adapted = readOnnx(networkOf(folder)).nodes.filter(({ operator }) => ['MatMul', 'Conv', 'Gemm'].includes(operator)).length;
      expect(adapted).toBe(plain);
      expect(model.adapter).toBeDefined();
      model.dispose();
    },
  );

  test.each(each)('$name, a head with dropout', async ({ name, family }) => {
    const base = await tinyBase(family, runtime);
    const model = addHead(base, classification(['a', 'b', 'c'], { dropout: 0.5 }), { seed: 9 }) as AnyModel;
    await expectSame(model, join(shelf, `${name}-dropout`));
    model.dispose();
  });

  test.each(each)('$name, a head that compares two inputs: those of the second have a number', async ({ name, family }) => {
    const base = await tinyBase(family, runtime);
    const model = addHead(base, contrastive() as never, { seed: 9 }) as AnyModel;
    const folder = join(shelf, `${name}-pairs`);
    await exportOnnx(model, folder);
    const bytes = networkOf(folder);
    const names = inputNames(bytes);
    const { raw, feeds } = samplesOf(model, folder, bytes);
    const turned = [...raw.slice(1), raw[0]!];
    const [first, second] = [
      feeds,
      family.modality === 'image' ? pixelFeeds(folder, turned as PixelData[]) : textFeeds(folder, turned as string[], Object.keys(feeds)),
    ];
    const both = Object.fromEntries(names.map((input) => [input, input.endsWith('_2') ? second[input.slice(0, -2)]! : first[input]!]));
    expect(names.filter((input) => input.endsWith('_2'))).toHaveLength(names.length / 2);
    const { logits } = await runFile(bytes, both);
    const own = await model.predict(raw.map((one, index) => [one, turned[index]]) as never);
    expect(
      largestDifference(
        logits!.values,
        own.map(({ cosine }: any) => cosine),
      ),
    ).toBeLessThan(1e-5);
    model.dispose();
  });

  test('a head with several outputs: each by the name of its layer', async () => {
    const base = await tinyBase(families[0]!, runtime);
    const head = {
      ...contrastive(),
      branches: 1,
      build: ({ shapes }: any) => {
        const features = input({ shape: [...shapes[0]], name: 'features' });
        const outputs = ['where', 'what'].map((name) => layers.dense({ units: 2, name }).apply(features) as SymbolicTensor);
        return layersModel({ inputs: features, outputs });
      },
    };
    const model = addHead(base, head as never) as AnyModel;
    expect(readOnnx(await toOnnx(model)).outputs.map(({ name }) => name)).toEqual(['where', 'what']);
    model.dispose();
  });
});

describe.runIf(here)('preparation', () => {
  test.each(images)('$name that takes blue first: the graph turns the channels', async ({ name, family }) => {
    const recipe = { ...(family.tiny.input as any), channelOrder: 'bgr', mean: [0.1, 0.2, 0.3], std: [1, 2, 3], scale: 1 };
    const base = await untrainedBase(family, { ...family.tiny, input: recipe, runtime });
    const model = addHead(base, classification(['a', 'b']), { seed: 2 }) as AnyModel;
    const folder = join(shelf, `${name}-bgr`);
    await expectSame(model, folder);
    expect(read(folder, 'preprocessor_config.json')).toMatchObject({
      do_rescale: false,
      image_mean: [0.3, 0.2, 0.1],
      image_std: [3, 2, 1],
    });
    model.dispose();
  });

  test('resizing and cropping as preprocessor_config.json says it', async () => {
    const family = families.find(({ name }) => name === 'mobilenet-v2')!;
    const resize = { mode: 'shortest-edge', size: 40, interpolation: 'bicubic', antialias: true };
    const recipe = { ...(family.tiny.input as any), resize, crop: { height: 32, width: 32, rounding: 'half-even' } };
    const base = await untrainedBase(family, { ...family.tiny, input: recipe, runtime });
    const folder = join(shelf, 'cropped');
    const { notes } = await exportOnnx(base, folder);
    const config = read(folder, 'preprocessor_config.json');
    expect(config).toMatchObject({ size: { shortest_edge: 40 }, resample: 3, do_center_crop: true, crop_size: { height: 32, width: 32 } });
    expect(notes.join(' ')).toMatch(/one pixel aside/);
    expect(notes.join(' ')).not.toMatch(/antialiasing/);
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain('one pixel aside');
    base.dispose();
  });

  test.each([
    { resize: null, crop: { height: 32, width: 32, rounding: 'floor' }, config: { do_resize: false, do_center_crop: true }, notes: 0 },
    {
      resize: { mode: 'stretch', height: 32, width: 32, interpolation: 'nearest', antialias: false },
      crop: null,
      config: { size: { height: 32, width: 32 }, resample: 0, do_center_crop: false },
      notes: 2,
    },
  ])('a recipe of %j', async ({ resize, crop, config, notes }) => {
    const family = families.find(({ name }) => name === 'mobilenet-v2')!;
    const base = await untrainedBase(family, { ...family.tiny, input: { ...(family.tiny.input as any), resize, crop }, runtime });
    const folder = join(shelf, `recipe-${notes}`);
    expect((await exportOnnx(base, folder)).notes).toHaveLength(notes);
    expect(read(folder, 'preprocessor_config.json')).toMatchObject(config);
    base.dispose();
  });

  test.each(texts)('$name: pairs, unknown words, capitals and signs', async ({ name, family }) => {
    const model = await tinyModel(family, runtime);
    const folder = join(shelf, `${name}-words`);
    await exportOnnx(model, folder);
    const bytes = networkOf(folder);
    const raw = ['The RED rose, the blue sky!', 'zzz qqq', 'a zzz train', 'one cat', ['the film', 'was bad']] as const;
    const { logits } = await runFile(bytes, textFeeds(folder, raw, inputNames(bytes)));
    expect(largestDifference(softmaxRows(logits!).flat(), (await scoresOf(model, raw)).flat())).toBeLessThan(1e-4);
    model.dispose();
  });

  test('texts are lower-cased by the tokenizer where the recipe says so', async () => {
    const { family } = texts.find(({ name }) => name === 'bert')!;
    const recipe = { ...(family.tiny.input as any), lowerCase: true };
    const files = { ...family.tiny.files, 'tokenizer_config.json': '{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}' };
    const base = await untrainedBase(family, { ...family.tiny, files, input: recipe, runtime });
    const folder = join(shelf, 'lower');
    await exportOnnx(base, folder);
    const feeds = textFeeds(folder, ['A Red ROSE'], ['input_ids']);
    expect(feeds['input_ids']!.values).toEqual([...(await base.parts.processor.encode('a red rose')).arrays[0]!.values]);
    base.dispose();
  });

  test.each(checkpoints)('a tokenizer as it was published: $path', async ({ path }) => {
    const base = await loadPretrained(`test/golden/${path}/checkpoint`);
    const folder = join(shelf, path.replace('/', '-'));
    const { notes } = await exportOnnx(base, folder);
    const words = ['A late train.', 'roses, red and blue!'];
    const outputs = await runFile(networkOf(folder), textFeeds(folder, words, inputNames(networkOf(folder))));
    expect(largestDifference(outputs['sentence_embedding']!.values, (await base.embed(words as never)).values)).toBeLessThan(1e-5);
    const { maxLength, cutCharacters } = base.parts.processor.recipe as any;
    expect(read(folder, 'tokenizer_config.json').model_max_length).toBe(maxLength);
    expect(read(folder, 'tokenizer.json').truncation.max_length).toBe(maxLength);
    expect(Object.keys(read(folder, 'special_tokens_map.json')).length).toBeGreaterThan(0);
    expect(notes.some((note) => note.includes(`first ${cutCharacters} characters`))).toBe(cutCharacters !== undefined);
    base.dispose();
  });
});
