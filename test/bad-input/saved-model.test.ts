/** Saved models that are broken or hostile, and places that refuse to be written. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addHead, classification, evaluate, fineTune, loadModel, loadPretrained, runtime } from 'transferkit';
import { examples } from 'transferkit/data';
import { copyOf, editJson, emptyFolder, fails, folderOf, published } from './fixtures.js';

await runtime.chooseBackend('wasm');

const sentences = examples([
  { text: 'good', label: 'yes' },
  { text: 'bad', label: 'no' },
  { text: 'fine', label: 'yes' },
  { text: 'poor', label: 'no' },
]);

const shelf = mkdtempSync(join(tmpdir(), 'transferkit-saved-'));
const saved = { text: join(shelf, 'text'), image: join(shelf, 'image') };

beforeAll(async () => {
  const { model } = await fineTune(published.text, sentences, { epochs: 1, progress: false });
  await evaluate(model, sentences);
  await model.save(saved.text);
  model.dispose();
  using photos = addHead(await loadPretrained(published.image), classification(['cat', 'dog']));
  await photos.save(saved.image);
});
afterAll(() => rmSync(shelf, { recursive: true, force: true }));

/** A copy of a saved model with a changed "transferkit" part. */
function edited(kind: keyof typeof saved, edit: (part: any) => void): string {
  const folder = copyOf(saved[kind]);
  editJson(folder, 'config.json', (config) => edit(config.transferkit));
  return folder;
}

describe('a saved model with a file missing or broken', () => {
  test.each([
    ['config.json', 'bad-config', 'is not a model that TransferKit saved', 'loadPretrained'],
    ['model.safetensors', 'not-found', 'no weights that can be read', 'model.safetensors'],
    ['tokenizer.json', 'not-found', 'there is no tokenizer', 'Where:'],
  ])('without %s', async (name, code, ...pieces) => {
    const folder = copyOf(saved.text);
    rmSync(join(folder, name));
    if (name === 'tokenizer.json') rmSync(join(folder, 'vocab.txt'), { force: true });
    await fails(`saved model without ${name}`, () => loadModel(folder), code, folder, 'Fix:', ...pieces);
  });

  test('without its records it works', async () => {
    const folder = copyOf(saved.text);
    for (const name of ['training.json', 'metrics.json', 'README.md', 'LICENSE']) rmSync(join(folder, name), { force: true });
    using model = await loadModel<'text'>(folder);
    expect(model.record).toEqual({});
    await model.predict('good');
  });

  test('with weights that are cut short, or of another model', async () => {
    const folder = copyOf(saved.text);
    truncateSync(join(folder, 'model.safetensors'), 30_000);
    await fails('saved weights cut short', () => loadModel(folder), 'corrupt-file', 'model.safetensors', 'Fix:');
    writeFileSync(join(folder, 'model.safetensors'), readFileSync(join(saved.image, 'model.safetensors')));
    await fails(
      'saved weights of another model',
      () => loadModel(folder),
      'weight-mismatch',
      'base/embeddings',
      'missing',
      'belong to different networks',
      'Fix:',
    );
  });

  test('with records that are no records', async () => {
    for (const [name, content] of [
      ['training.json', '{}'],
      ['metrics.json', '{"data":"x","count":1,"figures":{"loss":"low"},"report":{}}'],
      ['training.json', '[1'],
    ] as const) {
      const folder = copyOf(saved.text);
      writeFileSync(join(folder, name), content);
      await fails(`broken ${name}`, () => loadModel(folder), 'bad-config', name, folder, 'Fix:');
    }
  });

  test('nothing there, and a checkpoint that was never saved by us', async () => {
    await fails('no saved model', () => loadModel('no-such-model'), 'not-found', '"no-such-model"');
    await fails('an empty folder', () => loadModel(emptyFolder()), 'not-found', 'Fix:');
    await fails(
      'a published checkpoint',
      () => loadModel(published.text),
      'bad-config',
      published.text,
      'is not a model that TransferKit saved',
      'addHead',
    );
  });
});

describe('a saved model whose config was edited', () => {
  test.each<[string, (part: any) => void, string, ...string[]]>([
    ['a newer format', (part) => (part.format = 2), 'bad-config', 'has format 2', 'newer version'],
    ['a format that is a text', (part) => (part.format = 'one'), 'bad-config', 'has format "one"'],
    [
      'an unknown head',
      (part) => (part.head.name = 'clasification'),
      'unknown-name',
      'there is no head "clasification"',
      'Did you mean "classification"?',
    ],
    ['a head of the prototype', (part) => (part.head.name = 'constructor'), 'unknown-name', '"constructor"'],
    ['an unknown backbone', (part) => (part.backbone.name = 'brt'), 'unknown-name', 'Did you mean "bert"?'],
    ['a backbone that is an object', (part) => (part.backbone.name = { apiVersion: 1 }), 'bad-config', '"backbone"'],
    ['no head', (part) => delete part.head, 'bad-config', '"head"', 'Fix:'],
    ['a head that is null', (part) => (part.head = null), 'bad-config', '"head"'],
    ['no freeze', (part) => (part.freeze = {}), 'bad-config', '"freeze"'],
    ['no input', (part) => delete part.input, 'bad-config', '"input"'],
    ['an input of photos', (part) => (part.input.kind = 'image'), 'bad-config', '"kind"'],
    ['an input of nothing', (part) => (part.input = { kind: 'text' }), 'bad-config', '"maxLength"'],
    ['arrays that do not exist', (part) => (part.input.arrays = ['pixels']), 'bad-config', '"arrays"', 'pixels'],
    ['one label', (part) => (part.head.config.labels = ['yes']), 'bad-config', 'at least 2 labels'],
    ['labels that are numbers', (part) => (part.head.config.labels = [1, 2]), 'bad-config', 'labels'],
    [
      'more labels than weights',
      (part) => (part.head.config.labels = ['a', 'b', 'c']),
      'weight-mismatch',
      'head/logits/kernel',
      'expected [32,3]',
      'received [32,2]',
    ],
    [
      'a vocabulary of 10^12',
      (part) => (part.backbone.config.vocabularySize = 1e12),
      'bad-config',
      'than its weights can fill',
      '1000000000000',
    ],
    ['a vocabulary of 10^400', (part) => (part.backbone.config.vocabularySize = '1e400'), 'bad-config'],
    ['a negative size', (part) => (part.backbone.config.hiddenSize = -4), 'bad-config', 'Fix:'],
    ['a hidden size of 10^7', (part) => (part.backbone.config.hiddenSize = 1e7), 'bad-config', 'than its weights can fill'],
    ['a million layers', (part) => (part.backbone.config.layers = 1e6), 'bad-config', 'than its weights can fill'],
    ['10^15 layers', (part) => (part.backbone.config.layers = 1e15), 'bad-config', 'than its weights can fill'],
    ['one layer less', (part) => (part.backbone.config.layers -= 1), 'weight-mismatch', 'unexpected', 'base/layer-2'],
    ['heads that do not divide', (part) => (part.backbone.config.heads = 3), 'bad-config', '3 attention heads'],
    ['no heads', (part) => (part.backbone.config.heads = 0), 'bad-config', 'attention heads'],
    ['an unknown activation', (part) => (part.backbone.config.activation = 'constructor'), 'unknown-name', 'activation'],
    ['an unknown pooling', (part) => (part.backbone.config.pooling = 'median'), 'unknown-name', 'pooling'],
    ['an empty backbone config', (part) => (part.backbone.config = {}), 'bad-config', 'Fix:'],
  ])('%s', async (title, edit, code, ...pieces) => {
    const started = performance.now();
    await fails(`saved text model: ${title}`, () => loadModel(edited('text', edit)), code, ...pieces);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  test.each<[string, (part: any) => void, string, ...string[]]>([
    ['a layer of 10^9 channels', (part) => (part.backbone.config.topChannels = 1e9), 'bad-config'],
    [
      '100,000 blocks',
      (part) => (part.backbone.config.blocks = Array.from({ length: 1e5 }, () => ({ expanded: 8, channels: 8, stride: 1 }))),
      'bad-config',
      'than its weights can fill',
    ],
    ['blocks that are a text', (part) => (part.backbone.config.blocks = 'many'), 'bad-config', 'Fix:'],
    ['a stride of 0', (part) => (part.backbone.config.blocks[0].stride = 0), 'bad-config'],
    [
      'photos of 10^9 pixels a side',
      (part) => Object.assign(part.input, { resize: null, crop: { height: 1e9, width: 1e9, rounding: 'floor' } }),
      'bad-config',
      '"crop"',
    ],
    ['a mean of texts', (part) => (part.input.mean = ['a', 'b', 'c']), 'bad-config', '"mean"', 'three numbers'],
  ])('%s', async (title, edit, code, ...pieces) => {
    await fails(`saved image model: ${title}`, () => loadModel(edited('image', edit)), code, ...pieces);
  });

  test('the part is null, a text, or a list', async () => {
    for (const part of [null, 'yes', []]) {
      const folder = copyOf(saved.text);
      editJson(folder, 'config.json', (config) => (config.transferkit = part));
      await fails(`transferkit part ${JSON.stringify(part)}`, () => loadModel(folder), 'bad-config', folder, '"transferkit" part', 'Fix:');
      await fails(`transferkit part ${JSON.stringify(part)} as a base`, () => loadPretrained(folder), 'bad-config', '"transferkit" part');
    }
  });

  test('as a base to start from, the same limits hold', async () => {
    await fails(
      'saved base: 10^12',
      () => loadPretrained(edited('text', (part) => (part.backbone.config.vocabularySize = 1e12))),
      'bad-config',
      'than its weights can fill',
    );
    await fails(
      'saved base: another family',
      () => loadPretrained({ backbone: 'bert', source: saved.image }),
      'bad-config',
      'Expected: bert',
      'Received: mobilenet-v2',
    );
    using base = await loadPretrained<'text'>(saved.text);
    expect((await base.embed('good')).shape).toEqual([32]);
  });

  test('keys that reach for prototypes change nothing', async () => {
    const folder = copyOf(saved.text);
    const text = readFileSync(join(folder, 'config.json'), 'utf8').replace('"backbone": {', '"__proto__": {"polluted": 1}, "backbone": {');
    writeFileSync(join(folder, 'config.json'), text);
    using model = await loadModel<'text'>(folder);
    await model.predict('good');
    expect(({} as any).polluted).toBeUndefined();
  });
});

describe('saving', () => {
  const model = async () => addHead(await loadPretrained<'text'>(published.text), classification(['no', 'yes']));

  test('never replaces anything but a saved model', async () => {
    using mine = await model();
    const photos = folderOf({ 'cat/1.jpg': 'x', 'notes.txt': 'mine' });
    await fails('save over photos', () => mine.save(photos), 'bad-option', photos, 'cat, notes.txt', 'would delete it', 'Fix:');
    await fails('save over a file', () => mine.save(join(photos, 'notes.txt')), 'bad-option', 'is a file', 'Fix:');
    await fails('save over a published checkpoint', async () => mine.save(copyOf(published.text)), 'bad-option', 'would delete it');
    expect(readFileSync(join(photos, 'cat/1.jpg'), 'utf8')).toBe('x');
    expect(readFileSync(join(photos, 'notes.txt'), 'utf8')).toBe('mine');
    const own = join(emptyFolder(), 'model');
    await mine.save(own);
    await mine.save(own);
    writeFileSync(join(own, 'notes.txt'), 'mine');
    await fails('save over notes beside a model', () => mine.save(own), 'bad-option', 'notes.txt');
    expect(existsSync(join(own, 'notes.txt'))).toBe(true);
  });

  test('a model of another kind may take the place of one', async () => {
    const folder = copyOf(saved.text);
    using photos = addHead(await loadPretrained(published.image), classification(['cat', 'dog']));
    await photos.save(folder);
    expect(readdirSync(folder)).not.toContain('tokenizer.json');
  });

  const mount = (folder: string, options: string): boolean =>
    spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]).status === 0;

  test('on a full disk leaves nothing half-written and the old model whole', async (context) => {
    const disk = emptyFolder();
    if (!mount(disk, 'size=200k')) context.skip('needs the right to mount a small tmpfs');
    try {
      using mine = await model();
      const folder = join(disk, 'model');
      await mine.save(folder);
      const before = await mine.predict('good');
      const ballast = join(disk, 'ballast');
      mkdirSync(ballast);
      writeFileSync(join(ballast, 'file'), new Uint8Array(30_000));
      await fails('save on a full disk', () => mine.save(folder), 'storage', folder, 'the disk is full', 'Fix:');
      await fails('save anew on a full disk', () => mine.save(join(disk, 'second')), 'storage', 'second', 'the disk is full');
      expect(readdirSync(disk).sort()).toEqual(['ballast', 'model']);
      using again = await loadModel<'text'>(folder);
      expect(await again.predict('good')).toEqual(before);
    } finally {
      spawnSync('umount', [disk]);
    }
  });

  test('on a read-only disk, and below a file', async (context) => {
    using mine = await model();
    const file = join(folderOf({ file: 'x' }), 'file');
    await fails('save below a file', () => mine.save(join(file, 'model')), 'storage', 'in the way');
    const disk = emptyFolder();
    if (!mount(disk, 'size=1m')) context.skip('needs the right to mount a small tmpfs');
    try {
      await mine.save(join(disk, 'model'));
      spawnSync('mount', ['-o', 'remount,ro', disk]);
      await fails('save on a read-only disk', () => mine.save(join(disk, 'model')), 'storage', 'the disk is read-only', 'Fix:');
      using again = await loadModel<'text'>(join(disk, 'model'));
      expect(await again.predict('good')).toEqual(await mine.predict('good'));
    } finally {
      spawnSync('umount', [disk]);
    }
  });
});
