/** What adapters refuse, and in which words. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Adapter } from '../../src/adapters/adapter.js';
import { createAdapter } from '../../src/adapters/create-adapter.js';
import { lora } from '../../src/adapters/lora.js';
import { bert } from '../../src/backbones/bert.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { loadAdapter } from '../../src/load-adapter.js';
import { loadModel } from '../../src/load-model.js';
import { runtime } from '../../src/runtimes/node.js';
import { expectFailure, expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { tinyBase, tinyModel } from '../../src/testing/tiny-model.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { memoryFile } from '../../src/weights/byte-file.js';
import { readSafetensorsHeader, readTensor } from '../../src/weights/safetensors.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { writeSafetensors } from '../../src/weights/write-safetensors.js';
import { randomize } from './random-adapter.js';

const shelf = mkdtempSync(join(tmpdir(), 'transferkit-refusals-'));
let model: AnyModel;
let adapter: Adapter;
let files: Record<string, Uint8Array>;
let tensors: Map<string, TensorValue>;
const query = 'base_model.model.encoder.layer.0.attention.self.query';

beforeAll(async () => {
  await runtime.chooseBackend('wasm');
  model = await tinyModel(bert, runtime);
  adapter = randomize(createAdapter(model.base, lora({ rank: 2, targets: ['query', 'value'] })));
  model.useAdapter(adapter);
  const saved = join(shelf, 'saved');
  await model.saveAdapter(saved);
  await model.save(join(shelf, 'whole'));
  files = Object.fromEntries(readdirSync(saved).map((name) => [name, readFileSync(join(saved, name))]));
  const file = memoryFile(files['adapter_model.safetensors']!);
  const { tensors: stored } = await readSafetensorsHeader(file);
  tensors = new Map();
  for (const [name, tensor] of stored) tensors.set(name, await readTensor(file, tensor));
});
afterAll(() => {
  model.dispose();
  rmSync(shelf, { recursive: true, force: true });
});

/** `expectFailure` as the whole of a test. */
const fails = async (...given: Parameters<typeof expectFailure>): Promise<void> => void (await expectFailure(...given));

let count = 0;
/** A folder as it was saved, with some files replaced, or left out with null. */
function folderWith(changes: Record<string, object | Uint8Array | null>, from = files): string {
  const folder = join(shelf, `changed-${count++}`);
  mkdirSync(folder);
  for (const [name, content] of Object.entries({ ...from, ...changes })) {
    if (content !== null) writeFileSync(join(folder, name), content instanceof Uint8Array ? content : JSON.stringify(content));
  }
  return folder;
}

const config = (changes: object) => ({
  'adapter_config.json': { ...JSON.parse(Buffer.from(files['adapter_config.json']!).toString()), ...changes },
});
const weights = (change: (all: Map<string, TensorValue>) => void) => {
  const all = new Map(tensors);
  change(all);
  return { 'adapter_model.safetensors': writeSafetensors(all) };
};
const load = (changes: Record<string, object | Uint8Array | null>) => expectNoLeaks(() => loadAdapter(model.base, folderWith(changes)));

describe('lora', () => {
  test.each<[object, string]>([
    [{ rank: 0 }, 'rank cannot be 0'],
    [{ rank: 2.5 }, 'a whole number from 1'],
    [{ rank: 5000 }, 'to 4096'],
    [{ alpha: 0 }, 'alpha cannot be 0'],
    [{ alpha: Number.NaN }, 'a number above 0'],
    [{ dropout: 1 }, 'dropout cannot be 1'],
    [{ targets: 'query' }, "'all-linear'"],
    [{ targets: [] }, 'a list of layer names'],
    [{ targets: { group: ['layer-1'] } }, '{ groups: [...], layers: [...] }'],
    [{ dora: 'yes' }, 'true or false'],
    [{ ranks: 4 }, 'Did you mean "rank"?'],
  ])('%j', (options, piece) => fails(() => lora(options as never), 'bad-option', piece));

  test('alpha is twice the rank, so that the scale is the same for every rank', () => {
    expect(lora()).toEqual({ kind: 'lora', rank: 8, alpha: 16, dropout: 0, targets: 'all-linear', dora: false });
    expect(Object.isFrozen(lora())).toBe(true);
  });
});

describe('createAdapter', () => {
  test.each<[object, string, string]>([
    [['qeury'], 'the target "qeury" fits no layer', 'Did you mean "query"?'],
    [['query', 'pooler'], 'the target "pooler" fits no layer', 'layer-1/attention/query'],
    [{ groups: ['layer-9'] }, 'the target "layer-9" fits no layer group', 'layer-1, layer-2'],
    [{ groups: ['layer-1'], layers: ['layer-2/*'] }, 'the target "layer-2/*" fits no layer', 'Known: layer-1/attention/query'],
    [['que.y'], 'the target "que.y"', 'Did you mean "query"?'],
  ])('%j', (targets, ...pieces) => fails(() => createAdapter(model.base, lora({ targets: targets as never })), 'bad-option', ...pieces));

  test('takes a recipe and nothing else', async () => {
    await expectFailure(() => createAdapter(model.base, { rank: 8 } as never), 'bad-option', 'lora({ rank: 8 })');
    await expectFailure(() => createAdapter(model.base, { ...lora(), rank: -1 }), 'bad-option', 'rank cannot be -1');
  });
});

describe('a model', () => {
  test('refuses an adapter of another base, one that was disposed, and any during training', async () => {
    const other = await tinyBase(bert, runtime);
    const foreign = createAdapter(other, lora());
    await expectFailure(() => model.useAdapter(foreign), 'bad-option', 'belongs to another base');
    foreign.dispose();
    foreign.dispose();
    other.dispose();
    await expectFailure(() => model.useAdapter(foreign), 'disposed', 'this adapter was disposed');
    model.base.busy = true;
    await expectFailure(() => model.useAdapter(undefined), 'bad-option', 'is being trained');
    await expectFailure(() => model.mergeAdapter(), 'bad-option', 'is being trained');
    model.base.busy = false;
    expect(model.adapter).toBe(adapter);
  });

  test('keeps the adapter that it uses', () => fails(() => adapter.dispose(), 'bad-option', 'useAdapter(undefined)'));

  test('without an adapter has none to save or merge', async () => {
    const plain = await tinyModel(bert, runtime);
    await expectFailure(() => plain.saveAdapter(join(shelf, 'none')), 'bad-option', 'no adapter to save', 'lora()');
    await expectFailure(() => plain.mergeAdapter(), 'bad-option', 'no adapter to merge');
    plain.dispose();
    await expectFailure(() => plain.useAdapter(undefined), 'disposed', 'this model was disposed');
  });

  test('does not save an adapter over anything else', async () => {
    const foreign = folderWith({ 'photo.jpg': new Uint8Array([1]) });
    await expectFailure(
      () => model.saveAdapter(foreign),
      'bad-option',
      'holds other things (photo.jpg)',
      'an adapter that was saved before',
    );
    await expectFailure(() => model.saveAdapter(join(shelf, 'whole')), 'bad-option', 'holds other things');
    await expectFailure(() => model.saveAdapter(join(foreign, 'photo.jpg')), 'bad-option', 'is a file');
    await expectFailure(() => model.save(join(shelf, 'saved')), 'bad-option', 'holds other things');
  });
});

describe('loadAdapter refuses what is not plain LoRA, naming the field', () => {
  test.each<[object, string]>([
    [{ peft_type: 'LOHA' }, '"peft_type"'],
    [{ bias: 'all' }, '"bias"'],
    [{ init_lora_weights: 'pissa' }, '"init_lora_weights"'],
    [{ lora_bias: true }, '"lora_bias"'],
    [{ target_parameters: ['experts'] }, '"target_parameters"'],
    [{ trainable_token_indices: [1, 2] }, '"trainable_token_indices"'],
    [{ of_a_later_version: { on: true } }, '"of_a_later_version"'],
    [{ alpha_pattern: { '(a+)+$': 3 } }, '"alpha_pattern"'],
  ])('%j', (changes, piece) => fails(() => load(config(changes)), 'unsupported', piece, 'adapter_config.json'));

  test.each<[object, string]>([
    [{ r: 0 }, '"r"'],
    [{ lora_alpha: 'eight' }, '"lora_alpha"'],
    [{ lora_dropout: 1 }, '"lora_dropout"'],
    [{ alpha_pattern: { query: -1 } }, '"alpha_pattern"'],
  ])('%j', (changes, piece) => fails(() => load(config(changes)), 'bad-config', piece));

  test('what is switched off does not matter', async () => {
    const loaded = await loadAdapter(
      model.base,
      folderWith(config({ of_a_later_version: null, corda_config: { x: 1 }, peft_version: '9' })),
    );
    expect(loaded.describe()).toBe(adapter.describe());
    loaded.dispose();
  });
});

describe('loadAdapter names every tensor that does not fit', () => {
  test.each<[string, (all: Map<string, TensorValue>) => void, string[]]>([
    [
      'a module of another base',
      (all) => all.set('base_model.model.h.0.attn.lora_A.weight', tensors.get(`${query}.lora_A.weight`)!),
      ['"h.0.attn"', 'is no dense layer'],
    ],
    [
      'another shape',
      (all) => all.set(`${query}.lora_B.weight`, { shape: [2, 16], values: new Float32Array(32) }),
      ['expected [16, 2], received [2, 16]'],
    ],
    [
      'another rank',
      (all) => all.set(`${query}.lora_A.weight`, { shape: [3, 16], values: new Float32Array(48) }),
      ['expected [16, 3], received [16, 2]'],
    ],
    ['half an update', (all) => all.delete(`${query}.lora_B.weight`), ['self.query.lora_B"  missing']],
    [
      'a magnitude that the configuration denies',
      (all) => all.set(`${query}.lora_magnitude_vector`, { shape: [16], values: new Float32Array(16) }),
      ['use_dora false'],
    ],
    [
      'one layer twice',
      (all) => all.set(`base_model.model.bert.${query.slice(17)}.lora_A.weight`, tensors.get(`${query}.lora_A.weight`)!),
      ['which another module changes too'],
    ],
    [
      'a weight of the base itself',
      (all) => all.set(`${query}.weight`, { shape: [1], values: new Float32Array(1) }),
      ['belongs to no update'],
    ],
  ])('%s', (_, change, pieces) => fails(() => load(weights(change)), 'weight-mismatch', 'does not fit the base bert', ...pieces));

  test('all at once, and at most twenty lines', async () => {
    const many = (all: Map<string, TensorValue>) =>
      Array.from({ length: 30 }, (_, index) => all.set(`x.${index}.lora_A.weight`, { shape: [1, 1], values: new Float32Array(1) }));
    const error = await expectFailure(() => load(weights(many)), 'weight-mismatch', '"x.0"', '... and 10 more');
    expect(error.details['problems']).toHaveLength(30);
  });

  test('magnitudes that are missing', () =>
    fails(() => load(config({ use_dora: true })), 'weight-mismatch', 'lora_magnitude_vector"  missing'));
  test('none at all', () => fails(() => load(weights((all) => all.clear())), 'weight-mismatch', 'there is none'));
  test('an adapter for photos', async () => {
    const photos = await tinyModel(mobilenetV2, runtime);
    await expectFailure(() => loadAdapter(photos.base, join(shelf, 'saved')), 'weight-mismatch', 'does not fit the base mobilenet-v2');
    await expectFailure(
      () => loadModel(join(shelf, 'saved'), { base: photos.base }),
      'bad-option',
      'Expected: an adapter for mobilenet-v2',
    );
    photos.dispose();
  });
});

describe('files', () => {
  test('no adapter there', async () => {
    await expectFailure(() => loadAdapter(model.base, join(shelf, 'whole')), 'not-found', 'holds no adapter', 'loadModel');
    await expectFailure(() => loadAdapter(model.base, folderWith({ 'adapter_config.json': null })), 'not-found', 'adapter_config.json');
    await expectFailure(() => loadAdapter(model.base, join(shelf, 'nothing')), 'not-found', 'nothing');
    const broken = files['adapter_model.safetensors']!.slice(0, -4);
    await expectFailure(() => load({ 'adapter_model.safetensors': broken }), 'corrupt-file', 'adapter_model.safetensors');
    await expectFailure(() => load({ 'adapter_config.json': new Uint8Array([123]) }), 'bad-config', 'adapter_config.json');
  });

  test('a folder of an adapter is no model by itself, and one of PEFT has no head', async () => {
    await expectFailure(() => loadModel(join(shelf, 'saved')), 'bad-config', 'is an adapter without its base', '{ base }');
    const { base } = model;
    const bare = folderWith({ 'transferkit.json': null });
    await expectFailure(() => expectNoLeaks(() => loadModel(bare, { base })), 'bad-config', 'has no head', 'loadAdapter');
    const record = JSON.parse(Buffer.from(files['transferkit.json']!).toString());
    for (const [part, value] of [
      ['format', 2],
      ['head', { name: 'classification' }],
      ['backbone', 3],
      ['base', {}],
    ] as const)
      await expectFailure(
        () => loadModel(folderWith({ 'transferkit.json': { ...record, [part]: value } }), { base }),
        'bad-config',
        `no usable "${part}"`,
      );
    const otherHead = folderWith({
      'transferkit.json': { ...record, head: { name: 'classification', config: { ...record.head.config, labels: ['a', 'b', 'c'] } } },
    });
    await expectFailure(() => expectNoLeaks(() => loadModel(otherHead, { base })), 'weight-mismatch', 'head.safetensors');
    expect(base.isDisposed).toBe(false);
    expect(base.holders).toBe(1);
  });

  test('a saved model whose adapter is not borne out by its tensors', async () => {
    const whole = Object.fromEntries(readdirSync(join(shelf, 'whole')).map((name) => [name, readFileSync(join(shelf, 'whole', name))]));
    const saved = JSON.parse(whole['config.json']!.toString());
    const withAdapter = (change: object) =>
      folderWith(
        { 'config.json': { ...saved, transferkit: { ...saved.transferkit, adapter: { ...saved.transferkit.adapter, ...change } } } },
        whole,
      );
    const layers = (change: object) => ({
      layers: saved.transferkit.adapter.layers.map((one: object, index: number) => (index === 0 ? { ...one, ...change } : one)),
    });
    await expectFailure(
      () => expectNoLeaks(() => loadModel(withAdapter(layers({ rank: 4000 })))),
      'bad-config',
      'rank 4000',
      'layer-1/attention/query',
    );
    await expectFailure(() => loadModel(withAdapter(layers({ rank: 1e9 }))), 'bad-config', 'no usable "adapter"');
    await expectFailure(() => loadModel(withAdapter({ layers: [] })), 'bad-config', 'no usable "adapter"');
    await expectFailure(() => loadModel(withAdapter({ recipe: { kind: 'lora' } })), 'bad-config', 'no usable "adapter"');
    const loaded = (await loadModel(join(shelf, 'whole'))) as unknown as AnyModel;
    expect(loaded.adapter!.describe()).toBe(adapter.describe());
    loaded.dispose();
  });
});
