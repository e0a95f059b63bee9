import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { folder } from '../../src/sources/folder.js';
import { maxCompanionBytes } from '../../src/weights/checkpoint-files.js';
import { maxJsonBytes } from '../../src/weights/read-json.js';
import { writeSafetensors } from '../../src/weights/write-safetensors.js';
import { expectError } from '../weights/expect-error.js';
import { temporaryFolder, testRuntime } from './test-runtime.js';

const weights = (tensors: Record<string, readonly number[]>) =>
  writeSafetensors(
    new Map(Object.entries(tensors).map(([name, values]) => [name, { shape: [values.length], values: new Float32Array(values) }])),
  );

let root: string;
beforeEach(() => void (root = temporaryFolder()));
afterEach(() => rmSync(root, { recursive: true, force: true }));

const write = (name: string, content: string | Uint8Array): void => writeFileSync(join(root, name), content);
const open = (path = root) => folder(path).open({ runtime: testRuntime() });

describe('a folder', () => {
  test('gives config, tensors, companions and licence', async () => {
    write('model.safetensors', weights({ a: [1, 2] }));
    write('config.json', '{"model_type":"bert"}');
    write('README.md', '---\nlanguage: en\nlicense: "mit"\n---\n# Card\nlicense: none');
    mkdirSync(join(root, '1_Pooling'));
    write('1_Pooling/config.json', '{}');
    const checkpoint = await open();
    expect(checkpoint.origin).toBe(root);
    expect(checkpoint.license).toBe('mit');
    expect(checkpoint.config).toEqual({ model_type: 'bert' });
    expect([...(await checkpoint.tensor('a')).values]).toEqual([1, 2]);
    expect(await checkpoint.file('1_Pooling/config.json')).toHaveLength(2);
    expect(await checkpoint.file('1_Pooling')).toBeUndefined();
    expect(await checkpoint.file('../x')).toBeUndefined();
  });

  test('without config and card, by file address, and one weight file among several', async () => {
    write('model.fp16.safetensors', weights({ a: [1] }));
    write('other.safetensors', weights({ b: [2] }));
    for (const path of [join(root, 'other.safetensors'), pathToFileURL(join(root, 'other.safetensors')).href]) {
      const checkpoint = await open(path);
      expect(checkpoint.config).toEqual({});
      expect(checkpoint.license).toBeUndefined();
      expect([...checkpoint.tensors.keys()]).toEqual(['b']);
    }
    await expectError(open(), 'not-found', 'model.fp16.safetensors, other.safetensors');
  });

  test('has a revision that follows its content and not its place', async () => {
    write('model.safetensors', weights({ a: [1, 2] }));
    const first = (await open()).revision;
    expect(first).toMatch(/^sha256:[0-9a-f]{64}$/);
    write('notes.txt', 'changes nothing');
    expect((await open()).revision).toBe(first);
    write('model.safetensors', weights({ a: [1, 3] }));
    const second = (await open()).revision;
    expect(second).not.toBe(first);
    write('config.json', '{}');
    expect((await open()).revision).not.toBe(second);
  });

  test('has a revision that is quick to find for a large file, and notices a change at its end', async () => {
    const values = new Float32Array(20_000_000);
    const big = (last: number) => writeSafetensors(new Map([['a', { shape: [values.length], values: values.fill(last, -1) }]]));
    write('model.safetensors', big(1));
    const first = await open();
    write('model.safetensors', big(2));
    expect((await open()).revision).not.toBe(first.revision);
  });
});

describe('graphs', () => {
  const graph = (name: string, content = 'graph') => write(name, content);
  beforeEach(() => {
    mkdirSync(join(root, 'onnx'));
    graph('onnx/model.onnx');
    graph('onnx/model_fp16.onnx', 'half');
    write('config.json', '{"model_type":"bert"}');
    write('tokenizer.json', '{}');
  });

  test('serve in place of tensors, and are listed', async () => {
    const checkpoint = await open();
    expect(checkpoint.tensors.size).toBe(0);
    expect(checkpoint.names).toEqual(['config.json', 'tokenizer.json', 'onnx/model.onnx', 'onnx/model_fp16.onnx']);
    expect(new TextDecoder().decode(await checkpoint.file('onnx/model_fp16.onnx'))).toBe('half');
    await expectError(checkpoint.tensor('a'), 'not-found', 'no tensor "a"');
  });

  test('stand back where there are tensors, and do not count for them', async () => {
    write('model.safetensors', weights({ a: [1] }));
    expect([...(await open()).tensors.keys()]).toEqual(['a']);
    write('model.safetensors', 'torn');
    await expectError(open(), 'corrupt-file', 'model.safetensors');
  });

  test('are part of the revision', async () => {
    const first = (await open()).revision;
    expect((await open()).revision).toBe(first);
    graph('onnx/model.onnx', 'another');
    expect((await open()).revision).not.toBe(first);
  });

  test('are given by path: those in the folder onnx with what lies around it, others with what lies beside them', async () => {
    for (const path of [join(root, 'onnx', 'model_fp16.onnx'), pathToFileURL(join(root, 'onnx', 'model_fp16.onnx')).href]) {
      const inside = await open(path);
      expect(inside.names).toEqual(['config.json', 'tokenizer.json', 'onnx/model_fp16.onnx']);
      expect(inside.config).toEqual({ model_type: 'bert' });
    }
    graph('encoder.onnx');
    write('model.safetensors', weights({ a: [1] }));
    const beside = await open(join(root, 'encoder.onnx'));
    expect(beside.names).toEqual(['config.json', 'tokenizer.json', 'encoder.onnx']);
    expect(beside.tensors.size).toBe(0);
    await expectError(open(join(root, 'onnx', 'none.onnx')), 'not-found', 'no .safetensors file or .onnx file');
  });

  test('may be larger than other companions where the reader says so', async () => {
    const checkpoint = await open();
    await expectError(checkpoint.file('onnx/model.onnx', { maxBytes: 4 }), 'too-large', 'at most 4');
    expect(await checkpoint.file('onnx/model.onnx', { maxBytes: 5 })).toHaveLength(5);
    truncateSync(join(root, 'onnx/model.onnx'), maxCompanionBytes + 1);
    await expectError(checkpoint.file('onnx/model.onnx'), 'too-large', `at most ${maxCompanionBytes}`);
    expect(await checkpoint.file('onnx/model.onnx', { maxBytes: maxCompanionBytes + 1 })).toHaveLength(maxCompanionBytes + 1);
  });
});

describe('shards', () => {
  const index = (weight_map: unknown) => write('model.safetensors.index.json', JSON.stringify({ weight_map }));
  beforeEach(() => {
    write('one.safetensors', weights({ a: [1] }));
    write('two.safetensors', weights({ b: [2], c: [3] }));
  });

  test('are one checkpoint', async () => {
    index({ a: 'one.safetensors', b: 'two.safetensors', c: 'two.safetensors' });
    expect([...(await (await open()).tensor('c')).values]).toEqual([3]);
  });

  test.each<[string, unknown, ...string[]]>([
    [
      'a tensor in no shard',
      { a: 'one.safetensors', b: 'two.safetensors', c: 'two.safetensors', d: 'two.safetensors' },
      'tensor "d" in two.safetensors',
      'it in no file',
    ],
    ['a tensor in another shard', { a: 'two.safetensors', b: 'two.safetensors', c: 'one.safetensors' }, 'received: it in'],
    [
      'a tensor that the index leaves out',
      { a: 'one.safetensors', b: 'two.safetensors' },
      'tensor "c" in no file',
      'it in two.safetensors',
    ],
    ['a shard that is absent', { a: 'three.safetensors' }, '"three.safetensors", which is not there'],
    ['a shard outside of the folder', { a: '../one.safetensors' }, 'which is not there'],
    ['a shard of another kind', { a: 'model.safetensors.index.json' }, 'which is not there'],
    ['no weight map', 5, '"weight_map" with a file name for each tensor'],
    ['a weight map of numbers', { a: 5 }, '"weight_map" with a file name for each tensor'],
  ])('%s', async (_name, map, ...pieces) => {
    index(map);
    await expectError(open(), 'corrupt-file', 'model.safetensors.index.json', ...pieces);
  });

  test('a shard that vanishes', async () => {
    index({ a: 'one.safetensors', b: 'two.safetensors', c: 'two.safetensors' });
    const runtime = testRuntime();
    const openFile = async (path: string) => (path.endsWith('two.safetensors') ? undefined : runtime.openFile(path));
    await expectError(folder(root).open({ runtime: { ...runtime, openFile } }), 'not-found', 'no file "two.safetensors"');
  });
});

describe('what can go wrong', () => {
  test('nothing there, nothing in it, no weight file', async () => {
    await expectError(open(join(root, 'none')), 'not-found', 'no folder and no .safetensors file or .onnx file');
    await expectError(open(join(root, 'none.safetensors')), 'not-found', 'none.safetensors');
    await expectError(open(), 'not-found', 'received: nothing');
    write('notes.txt', '');
    await expectError(open(), 'not-found', 'received: notes.txt');
    await expectError(open(join(root, 'notes.txt')), 'not-found', 'notes.txt');
  });

  test('truncated weights', async () => {
    write('model.safetensors', weights({ a: [1, 2, 3] }));
    truncateSync(join(root, 'model.safetensors'), 70);
    await expectError(open(), 'corrupt-file', 'model.safetensors', 'the file ends before its tensors do');
  });

  test('weights that shrink after they were opened', async () => {
    write('model.safetensors', weights({ a: [1, 2, 3] }));
    const checkpoint = await open();
    truncateSync(join(root, 'model.safetensors'), 70);
    await expectError(checkpoint.tensor('a'), 'corrupt-file', 'model.safetensors');
  });

  test.each([
    ['[]', 'an array'],
    ['"x"', '"x"'],
    ['{"a":}', 'received'],
    ['', 'received'],
  ])('a config that holds %s', async (config, piece) => {
    write('model.safetensors', weights({ a: [1] }));
    write('config.json', config);
    await expectError(open(), 'bad-config', 'config.json', 'should hold a JSON object', piece);
  });

  test('files over their caps', async () => {
    write('model.safetensors', weights({ a: [1] }));
    write('tokenizer.json', '');
    truncateSync(join(root, 'tokenizer.json'), maxCompanionBytes + 1);
    await expectError((await open()).file('tokenizer.json'), 'too-large', 'tokenizer.json', String(maxCompanionBytes));
    write('config.json', '');
    truncateSync(join(root, 'config.json'), maxJsonBytes + 1);
    await expectError(open(), 'too-large', 'config.json', String(maxJsonBytes));
  });
});
