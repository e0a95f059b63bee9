/** What the training programs leave is what the package loads, but for rounding. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadPretrained, runtime, untrainedBase, type Base } from 'transferkit';
import { expectNoLeaks } from 'transferkit/testing';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { folder as folderSource } from '../../src/sources/folder.js';
import { networks } from '../../src/sources/bundled/networks.js';
import { fillModel } from '../../src/weights/fill-model.js';
import { readSafetensorsHeader, readTensor } from '../../src/weights/safetensors.js';
import { memoryFile } from '../../src/weights/byte-file.js';
import { networkTable } from '../../tools/pretrain/network-table.js';
import { packNetwork } from '../../tools/pretrain/pack-network.js';
import { quantize } from '../../tools/pretrain/quantize.js';
import { imageFolder, packedSource, smallConfig, smallInput, withVocabulary } from './packed.js';

await runtime.chooseBackend('cpu');

const sentences = ['The red rose was not good!', 'a late train in the rain', 'Ein Zug, zu spät'];
const pictures = [0, 1].map((offset) => ({
  width: 40,
  height: 30,
  data: Uint8Array.from({ length: 3600 }, (_, index) => (index * (7 + offset) * 13) % 256),
}));

/** The largest difference, as a share of the largest number. */
function difference(one: Float32Array, other: Float32Array): number {
  const largest = Math.max(...one.map(Math.abs));
  return Math.max(...one.map((value, index) => Math.abs(value - other[index]!))) / largest;
}

const embeddings = async (base: Base, inputs: readonly unknown[]): Promise<Float32Array> => (await base.embed(inputs as string[])).values;

test.each([
  ['static-embedding', 'static-embedding/model2vec/checkpoint'],
  ['bert', 'bert/sentence-transformers-mean/checkpoint'],
])('%s: packed and read again, it says what it said', async (family, path) => {
  const folder = withVocabulary(path, family);
  const { bytes, worst } = await packNetwork('tiny', folder);
  await expectNoLeaks(async () => {
    using before = await loadPretrained(folder);
    using after = await loadPretrained(packedSource(bytes));
    expect(after.parts.family.name).toBe(family);
    expect(after.parts.config).toEqual(before.parts.config);
    expect(after.parts.processor.recipe).toEqual(before.parts.processor.recipe);
    expect([...after.parts.processor.files.keys()]).toContain('vocab.txt');
    expect(after.provenance).toEqual({ origin: 'packed', revision: 'test', license: 'apache-2.0' });
    expect(difference(await embeddings(before, sentences), await embeddings(after, sentences))).toBeLessThan(0.02);
  });
  expect(worst.error).toBeGreaterThan(0);
  expect(worst.error).toBeLessThan(0.02);
});

test('a MobileNetV2 of blocks of its own, in the naming of torchvision', async () => {
  const folder = await imageFolder();
  const { bytes } = await packNetwork('tiny', folder);
  using before = await untrainedBase(mobilenetV2, { config: smallConfig, input: smallInput });
  const checkpoint = await folderSource(folder).open({ runtime });
  await fillModel({ family: 'mobilenet-v2', weights: before.weights(), checkpoint, tables: mobilenetV2.weights, config: smallConfig });
  using after = await loadPretrained(packedSource(bytes));
  expect(after.parts.config).toEqual(smallConfig);
  expect(difference(await embeddings(before, pictures), await embeddings(after, pictures))).toBeLessThan(0.05);
});

test('what is read is exactly what was rounded, times its scale', async () => {
  const { bytes } = await packNetwork('tiny', await imageFolder('exact'));
  const checkpoint = await packedSource(bytes).open({ runtime });
  const file = memoryFile(bytes);
  const { tensors } = await readSafetensorsHeader(file);
  const read = (name: string) => readTensor(file, tensors.get(name)!);
  const kernel = 'base/block-1/depthwise/depthwise_kernel';
  const [value, stored, scale] = await Promise.all([checkpoint.tensor(kernel), read(kernel), read(`${kernel}.scale`)]);
  expect(tensors.get(kernel)).toMatchObject({ dtype: 'I8', shape: [3, 3, 24, 1] });
  expect(scale.shape).toEqual([1, 1, 24, 1]);
  expect(value.values).toEqual(Float32Array.from(stored.values, (number, index) => number * scale.values[index % 24]!));
  expect([...checkpoint.tensors.keys()].filter((name) => name.endsWith('.scale'))).toEqual([]);
  const plain = 'base/block-1/depthwise/normalization/gamma';
  expect(tensors.get(plain)).toMatchObject({ dtype: 'F32' });
});

test('same folder, same bytes', async () => {
  const folder = withVocabulary('static-embedding/model2vec/checkpoint', 'twice');
  const [one, two] = [await packNetwork('tiny', folder), await packNetwork('tiny', folder)];
  expect(one).toEqual(two);
  expect((await packNetwork('other', folder)).sha256).not.toBe(one.sha256);
});

test('a vocabulary that splits otherwise than the tokenizer does not replace it', async () => {
  const folder = withVocabulary('static-embedding/model2vec/checkpoint', 'cased');
  writeFileSync(join(folder, 'tokenizer_config.json'), '{}');
  const pieces = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'red'];
  writeFileSync(join(folder, 'vocab.txt'), pieces.join('\n'));
  const { bytes } = await packNetwork('tiny', folder);
  const checkpoint = await packedSource(bytes).open({ runtime });
  expect(await checkpoint.file('vocab.txt')).toBeUndefined();
  expect(await checkpoint.file('tokenizer.json')).toBeDefined();
});

test('each channel is rounded by its own largest value, and a channel of zeros stays', () => {
  const { stored, scale } = quantize('dense/kernel', { shape: [2, 3], values: Float32Array.of(1, -0.5, 0, 127, 0.25, 0) });
  expect(scale).toEqual({ shape: [1, 3], values: Float32Array.of(1, 0.5 / 127, 0) });
  expect([...stored.values]).toEqual([1, -127, 0, 127, 64, 0]);
  expect(quantize('words/embeddings', { shape: [2, 3], values: new Float32Array(6) }).scale!.shape).toEqual([2, 1]);
  expect(quantize('dense/bias', { shape: [3], values: new Float32Array(3) }).scale).toBeUndefined();
});

test('the table of networks is sorted, and the committed one is as it is written', () => {
  const text = networkTable({ 'b-1': { bytes: 2, sha256: 'ff' }, 'a-1': { bytes: 1, sha256: '00' } });
  expect(text).toContain("  'a-1': { bytes: 1, sha256: '00' },\n  'b-1': { bytes: 2, sha256: 'ff' },\n}");
  expect(readFileSync(join(import.meta.dirname, '../../src/sources/bundled/networks.ts'), 'utf8')).toBe(networkTable(networks));
});

test('without a name or a folder it says how it is called', () => {
  const run = () => execFileSync('npx', ['tsx', 'tools/pretrain/pack.ts', 'text-small'], { encoding: 'utf8', stdio: 'pipe' });
  expect(run).toThrow('pack.ts <name> <folder>');
});
