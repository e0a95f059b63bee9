import { expect, test } from 'vitest';
import { memory, type MemoryContent } from '../../src/sources/memory.js';
import { expectError } from '../weights/expect-error.js';
import { testRuntime } from './test-runtime.js';

const open = (content: MemoryContent) => memory(content).open({ runtime: testRuntime() });

test('gives what it was given', async () => {
  const values = new Float32Array([1, 2]);
  const checkpoint = await open({
    config: { a: 1 },
    tensors: new Map([
      ['w', { shape: [2], values }],
      ['i', { shape: [], values: new Int32Array([5]) }],
    ]),
    files: { 'vocab.txt': 'a\nb', raw: new Uint8Array([1]) },
    origin: 'made',
    license: 'mit',
  });
  expect(checkpoint).toMatchObject({ origin: 'made', license: 'mit', config: { a: 1 } });
  expect([...checkpoint.tensors]).toEqual([
    ['w', { dtype: 'F32', shape: [2] }],
    ['i', { dtype: 'I32', shape: [] }],
  ]);
  const read = await checkpoint.tensor('w');
  values[0] = 9;
  expect([...read.values]).toEqual([1, 2]);
  expect(new TextDecoder().decode(await checkpoint.file('vocab.txt'))).toBe('a\nb');
  expect(await checkpoint.file('none')).toBeUndefined();
  await expectError(checkpoint.tensor('v'), 'not-found', 'made', '"v"');
});

test('the revision is a function of the content', async () => {
  const revision = async (...values: number[]) =>
    (await open({ tensors: { w: { shape: [values.length], values: new Float32Array(values) } } })).revision;
  expect(await revision(1, 2)).toBe(await revision(1, 2));
  expect(await revision(1, 2)).not.toBe(await revision(1, 3));
});

test('values that do not fit their shape', async () => {
  await expectError(open({ tensors: { w: { shape: [3], values: new Float32Array(2) } } }), 'bad-input', '"w"', '3 values', '2 values');
});
