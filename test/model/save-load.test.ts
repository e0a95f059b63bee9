/** Saving and loading through the public names: what was saved is what comes back, on a machine that has nothing else. */
import * as tf from '@tensorflow/tfjs-core';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { addHead, classification, evaluate, fineTune, freezeBase, loadModel, loadPretrained, runtime, type Model } from 'transferkit';
import { examples, imageFolder } from 'transferkit/data';
import { expectNoLeaks } from 'transferkit/testing';
import { photo, photoFolder, published } from '../bad-input/fixtures.js';
import { startHub } from '../sources/hub-server.js';

await runtime.chooseBackend('wasm');

const shelf = mkdtempSync(join(tmpdir(), 'transferkit-save-'));
const at = (name: string): string => join(shelf, name);
const texts = ['a red rose', 'the late train', 'good', 'a very long sentence that goes on and on, about nothing at all'];
const sentences = examples([
  { text: 'good', label: 'yes' },
  { text: 'bad', label: 'no' },
  { text: 'fine', label: 'yes' },
  { text: 'poor', label: 'no' },
]);
const readJson = (folder: string, name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
const readText = (folder: string, name: string) => readFileSync(join(folder, name), 'utf8');

/** What the models say before they are saved, bit by bit. */
let said: { text: unknown; image: unknown; embedding: Float32Array };

beforeAll(async () => {
  // The checkpoints are copied, and gone when the tests run.
  cpSync(published.text, at('bert'), { recursive: true });
  cpSync(published.image, at('mobilenet'), { recursive: true });
  writeFileSync(join(at('bert'), 'LICENSE'), 'Licence of the base: be kind.');
  writeFileSync(join(at('bert'), 'README.md'), '---\nlicense: apache-2.0\n---\n');
  const { model: text } = await fineTune(at('bert'), sentences, { unfreeze: { last: 1 }, headEpochs: 1, epochs: 2, progress: false });
  await evaluate(text as unknown as Model<'text'>, sentences);
  await text.save(at('text'));
  const image = addHead(
    freezeBase(await loadPretrained<'image'>(at('mobilenet')), { unfreeze: { last: 2 } }),
    classification(['cat', 'dog']),
  );
  const photos = await imageFolder(photoFolder({ cat: 3, dog: 3 }));
  await fineTune(image, photos as never, { headEpochs: 1, epochs: 1, normalization: 'batch', progress: false });
  await image.save(`file://${at('image')}`);
  said = {
    text: await text.predict(texts as never),
    image: await image.predict([photo('rgb.png'), photo('large.jpg')]),
    embedding: (await text.embed(texts as never)).values,
  };
  text.dispose();
  image.dispose();
  for (const name of ['bert', 'mobilenet']) rmSync(at(name), { recursive: true });
});
afterAll(() => rmSync(shelf, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

describe('a saved model', () => {
  test('says the same to the bit, without the network and without the checkpoint it came from', async () => {
    const network = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new Error('no network here'));
    await expectNoLeaks(async () => {
      using text = await loadModel<'text'>(at('text'), { offline: true });
      expect(await text.predict(texts)).toEqual(said.text);
      expect((await text.embed(texts)).values).toEqual(said.embedding);
      using image = await loadModel<'image'>(`file://${at('image')}`);
      expect(await image.predict([photo('rgb.png'), photo('large.jpg')])).toEqual(said.image);
    });
    expect(network).not.toHaveBeenCalled();
  });

  test('is one folder with all that it needs', () => {
    expect(readdirSync(at('text')).sort()).toEqual(
      [
        'LICENSE',
        'README.md',
        'config.json',
        'metrics.json',
        'model.safetensors',
        'tokenizer.json',
        'tokenizer_config.json',
        'training.json',
      ].sort(),
    );
    expect(readdirSync(at('image')).sort()).toEqual(['README.md', 'config.json', 'model.safetensors', 'training.json'].sort());
    const { id2label, label2id, transferkit } = readJson(at('text'), 'config.json');
    expect([id2label, label2id]).toEqual([
      { 0: 'no', 1: 'yes' },
      { no: 0, yes: 1 },
    ]);
    expect(transferkit).toMatchObject({
      format: 1,
      backbone: { name: 'bert' },
      head: { name: 'classification', config: { labels: ['no', 'yes'] } },
    });
    expect(transferkit.base).toMatchObject({ origin: at('bert'), license: 'apache-2.0' });
    expect(transferkit.input.kind).toBe('text');
    expect(readJson(at('image'), 'config.json').transferkit.input).toMatchObject({ kind: 'image', crop: { height: 40, width: 40 } });
    expect(readText(at('text'), 'LICENSE')).toBe('Licence of the base: be kind.');
  });

  test('carries the recipe, the history and the figures', async () => {
    const training = readJson(at('text'), 'training.json');
    expect(training).toMatchObject({ data: 'examples in memory', classCounts: { no: 2, yes: 2 } });
    expect(training.plan.phases.map((phase: any) => phase.name)).toEqual(['head', 'fine-tune']);
    expect(training.plan.decisions.length).toBeGreaterThan(3);
    expect(training.history.epochs).toHaveLength(3);
    const metrics = readJson(at('text'), 'metrics.json');
    expect(metrics).toMatchObject({ data: 'examples in memory', count: 4 });
    expect(metrics.figures.accuracy).toBeTypeOf('number');
    using model = await loadModel<'text'>(at('text'));
    expect(model.record).toEqual({ training, metrics });
    expect(model.labels).toEqual(['no', 'yes']);
    expect(model.base.provenance).toMatchObject({ license: 'apache-2.0', licenseText: 'Licence of the base: be kind.' });
    expect(model.base.groups.map(({ learns }) => learns)).toEqual([false, false, true]);
  });

  test('has a model card that the Hub can read', () => {
    const card = readText(at('text'), 'README.md');
    const [, front] = /^---\n([\s\S]*?)\n---/.exec(card)!;
    expect(front).toContain('license: apache-2.0');
    expect(front).toContain('pipeline_tag: text-classification');
    expect(front).toContain('library_name: transferkit');
    expect(front).toMatch(/model-index:\n {2}- name: "?text"?/);
    expect(card).toContain('loadModel("./text")');
    expect(card).not.toContain('undefined');
  });

  test('can be saved again, and is the same', async () => {
    using model = await loadModel<'text'>(at('text'));
    await model.save(at('again'));
    for (const name of readdirSync(at('text'))) {
      if (name === 'README.md') continue; // names the folder
      expect(readFileSync(join(at('again'), name)).equals(readFileSync(join(at('text'), name))), name).toBe(true);
    }
    using again = await loadModel<'text'>(at('again'));
    expect(await again.predict(texts)).toEqual(said.text);
  });

  test('that was trained and never evaluated, or neither, can be saved and loaded', async () => {
    using fresh = addHead(await loadPretrained<'text'>(published.text), classification(['a', 'b']), { seed: 3 });
    const before = await fresh.predict(texts);
    await fresh.save(at('fresh'));
    expect(readdirSync(at('fresh'))).not.toContain('training.json');
    using loaded = await loadModel<'text', 'a' | 'b'>(at('fresh'));
    expect(await loaded.predict(texts)).toEqual(before);
  });

  test('learns on after it was loaded', async () => {
    using model = await loadModel<'text'>(at('text'));
    const { history } = await fineTune(model, sentences, { unfreeze: 'none', epochs: 20, progress: false });
    expect(history.epochs.at(-1)!.loss).toBeLessThan(history.epochs[0]!.loss);
    await model.save(at('learnt'));
    using learnt = await loadModel<'text'>(at('learnt'));
    expect(await learnt.predict(texts)).toEqual(await model.predict(texts));
  });

  test('is a base to start from, with what it learnt and without its head', async () => {
    using base = await loadPretrained<'text'>(at('text'));
    expect((await base.embed(texts)).values).toEqual(said.embedding);
    using model = addHead(base, classification(['x', 'y', 'z']));
    expect(Object.keys((await model.predict('good')).scores)).toEqual(['x', 'y', 'z']);
  });

  test('loads from a Hub, and then from the cache without it', async () => {
    const files = Object.fromEntries(readdirSync(at('text')).map((name) => [name, new Uint8Array(readFileSync(join(at('text'), name)))]));
    const hub = await startHub({ repos: { 'me/tickets': { files } } });
    const options = { endpoint: hub.endpoint, cacheDir: at('cache') };
    const loaded = await loadModel<'text'>('hf://me/tickets', options);
    expect(await loaded.predict(texts)).toEqual(said.text);
    loaded.dispose();
    await hub.close();
    using offline = await loadModel<'text'>('hf://me/tickets', { ...options, offline: true });
    expect(await offline.predict(texts)).toEqual(said.text);
  });

  test('with the base from a Hub names it in its card', async () => {
    const files = Object.fromEntries(
      readdirSync(published.image).map((name) => [name, new Uint8Array(readFileSync(join(published.image, name)))]),
    );
    const hub = await startHub({ repos: { 'acme/mobilenet': { files, license: 'mit' } } });
    using model = addHead(
      await loadPretrained<'image'>('hf://acme/mobilenet', { endpoint: hub.endpoint, cacheDir: at('cache') }),
      classification(['a', 'b']),
    );
    await hub.close();
    await model.save(at('from-hub'));
    const card = readText(at('from-hub'), 'README.md');
    expect(card).toMatch(/base_model: acme\/mobilenet/);
    expect(card).toContain('license: mit');
  });
});

describe('the life of handles', () => {
  test('a block that declares them with `using` leaves nothing', async () => {
    await expectNoLeaks(async () => {
      using base = await loadPretrained<'text'>(published.text);
      await base.embed('good');
    });
  });

  test('two heads on one base: the last to go takes the base along', async () => {
    await expectNoLeaks(async () => {
      const base = await loadPretrained<'text'>(published.text);
      const first = addHead(base, classification(['a', 'b']));
      const second = addHead(base, classification(['x', 'y', 'z']));
      first.dispose();
      first.dispose();
      expect([first.isDisposed, base.isDisposed]).toEqual([true, false]);
      expect(Object.keys((await second.predict('good')).scores)).toHaveLength(3);
      second.dispose();
      expect(base.isDisposed).toBe(true);
    });
  });

  test('two heads on one base learn one after the other, and the frozen base is the same for both', async () => {
    const base = await loadPretrained<'text'>(published.text);
    using first = addHead(base, classification(['no', 'yes']));
    using second = addHead(base, classification(['no', 'yes']), { seed: 7 });
    const before = (await base.embed(texts)).values;
    await fineTune(first, sentences as never, { epochs: 2, progress: false });
    const told = await first.predict(texts);
    await fineTune(second, sentences as never, { epochs: 2, progress: false });
    expect((await base.embed(texts)).values).toEqual(before);
    expect(await first.predict(texts)).toEqual(told);
  });
});

describe('what a person has', () => {
  test('a photo of every kind gives the same prediction, one by one and all at once', async () => {
    using model = await loadModel<'image'>(at('image'));
    const path = photo('rgb.png');
    const bytes = new Uint8Array(readFileSync(path));
    const { width, height, data } = await runtime.decodeImage(bytes, path, { maxBytes: 1e9, maxPixels: 1e9 });
    const rgba = Uint8ClampedArray.from({ length: width * height * 4 }, (_, index) =>
      index % 4 === 3 ? 255 : data[(index >> 2) * 3 + (index % 4)]!,
    );
    const tensor = tf.tensor3d(Array.from(data), [height, width, 3], 'int32');
    const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const kinds = [
      path,
      pathToFileURL(path),
      pathToFileURL(path).href,
      Buffer.from(bytes),
      bytes,
      buffer,
      new Blob([bytes]),
      { width, height, data: rgba },
      { width, height, data },
      tensor,
      { image: path, limits: { maxPixels: 1e8 } },
    ];
    const expected = await model.predict(path);
    await expectNoLeaks(async () => {
      for (const kind of kinds) expect(await model.predict(kind)).toEqual(expected);
    });
    const all = await model.predict([
      ...kinds,
      photo('grey.png'),
      photo('exif6.jpg'),
      photo('cmyk.jpg'),
      photo('grey16.png'),
      photo('1x1.png'),
    ]);
    expect(all).toHaveLength(kinds.length + 5);
    for (const prediction of all.slice(0, kinds.length)) expect(prediction.scores['cat']).toBeCloseTo(expected.scores['cat']!, 5);
    expect(tensor.isDisposed).toBe(false);
    tensor.dispose();
  });

  test('texts of all lengths keep their order, and a list of one is a list', async () => {
    using model = await loadModel<'text'>(at('text'));
    const many = Array.from({ length: 150 }, (_, index) => texts[(index * 7) % texts.length]!.repeat(1 + (index % 3)));
    const all = await model.predict(many);
    for (const index of [0, 1, 2, 63, 64, 65, 149]) {
      const alone = await model.predict(many[index]!);
      expect(all[index]!.scores['yes']).toBeCloseTo(alone.scores['yes']!, 4);
    }
    expect(await model.predict(['good'])).toHaveLength(1);
    expect(await model.predict('good')).not.toBeInstanceOf(Array);
    expect(JSON.parse(JSON.stringify(await model.predict('good')))).toEqual(await model.predict('good'));
  });

  test('nothing gives nothing, in the right shape', async () => {
    await expectNoLeaks(async () => {
      using model = await loadModel<'text'>(at('text'));
      expect(await model.predict([])).toEqual([]);
      expect(await model.embed([])).toEqual({ shape: [0, 32], values: new Float32Array(0) });
    });
  });

  test('embeddings have one row an input', async () => {
    using text = await loadModel<'text'>(at('text'));
    const one = await text.embed('good');
    const many = await text.embed(['good', 'a red rose']);
    expect([one.shape, many.shape]).toEqual([[32], [2, 32]]);
    expect(many.values).toBeInstanceOf(Float32Array);
    many.values.slice(0, 32).forEach((value, index) => expect(value).toBeCloseTo(one.values[index]!, 5));
    using image = await loadModel<'image'>(at('image'));
    const features = image.base.feature('pooled').shape[1];
    expect((await image.embed(photo('rgb.png'))).shape).toEqual([features]);
    expect((await image.embed([photo('rgb.png'), photo('grey.png')])).shape).toEqual([2, features]);
    expect((await image.embed([])).shape).toEqual([0, features]);
  });
});
