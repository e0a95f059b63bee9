import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransferKitError } from '../../src/errors.js';
import { cutOnnx } from '../../src/graph/cut-onnx.js';
import { protobufFields, protobufMessage } from '../../src/graph/protobuf-fields.js';
import { readOnnx } from '../../src/graph/read-onnx.js';
import { startBudget } from '../../src/graph/reading-budget.js';
import { writeOnnx } from '../../src/graph/write-onnx.js';
import { expectError } from '../weights/expect-error.js';
import { anyModel } from './random-onnx.js';

type Field = readonly [number: number, value: Uint8Array | string | number];

/** A message of fields, each a number with text, bytes or a whole number. */
function message(...fields: Field[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    if (typeof value === 'number') writer.tag(number, WireType.Varint).int64(value);
    else if (typeof value === 'string') writer.tag(number, WireType.LengthDelimited).string(value);
    else writer.tag(number, WireType.LengthDelimited).bytes(value);
  }
  return writer.finish();
}

const modelOf = (...graph: Field[]) => message([7, message(...graph)]);
const tensorOf = (...tensor: Field[]) => modelOf([5, message([8, 'w'], ...tensor)]);

describe('bytes that are no ONNX', () => {
  test.each<[string, Uint8Array, ...string[]]>([
    ['nothing at all', new Uint8Array(), 'model, at byte 0', 'none in 0 bytes'],
    ['a model without a graph', message([1, 8]), 'model, at byte 0', 'one graph'],
    ['two graphs', message([7, message()], [7, message()]), 'at byte 2', 'several'],
    ['a Git LFS pointer', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1'), 'git-lfs', 'in text that starts with'],
    ['a page', new TextEncoder().encode('<!doctype html><html><body>'), 'in text that starts with "<!doctype'],
    ['a length beyond the end', Uint8Array.of(0x3a, 200, 1, 0), 'model, at byte 0', 'beyond the end'],
    ['a varint without an end', modelOf([2, 'g']).slice(0, -1), 'beyond the end'],
    ['a tag of eleven bytes', message([7, new Uint8Array(11).fill(0xff)]), 'graph, at byte 2', 'a broken field'],
    [
      'a number of eleven bytes',
      message([7, Uint8Array.of(0x08, ...new Uint8Array(11).fill(0x80), 0)]),
      'graph, at byte 2',
      'an endless varint',
    ],
    ['a group', modelOf([1, Uint8Array.of(0x0b, 0x0c)]), 'node, at byte 4', 'a group'],
    ['field number 0', modelOf([1, Uint8Array.of(0x00, 0)]), 'node, at byte 4', 'a broken field'],
    ['a node that is a number', modelOf([1, 5]), 'graph, at byte 2', 'node in field 1', 'wire type 0'],
    ['a name that is a number', modelOf([1, message([3, 5])]), 'text in field 3', 'wire type 0'],
    ['a name that is not UTF-8', modelOf([2, Uint8Array.of(0xff, 0xfe)]), 'text in UTF-8 in field 2'],
    ['a version that is text', message([1, 'eight'], [7, message()]), 'a whole number in field 1', 'wire type 2'],
    ['a negative size of a tensor', tensorOf([1, -3], [2, 1]), 'sizes of a tensor', '-3'],
    ['sizes cut short', tensorOf([1, Uint8Array.of(3, 0x80)]), 'whole numbers in field 1', 'beyond the end'],
  ])('%s', async (_, bytes, ...pieces) => {
    await expectError(() => readOnnx(bytes), 'corrupt-file', ...pieces);
  });

  test('more than 2 GB', async () => {
    await expectError(() => readOnnx(new Uint8Array(2 ** 31)), 'too-large', '2147483647', '2147483648');
  });

  test('graphs too deep in each other', async () => {
    let graph = message([2, 'innermost']);
    for (let depth = 0; depth < 40; depth++) graph = message([1, message([5, message([6, graph])])]);
    await expectError(() => readOnnx(message([7, graph])), 'corrupt-file', 'at most 32 graphs inside each other');
  });

  test('more nodes than memory shall be given to', async () => {
    const bytes = new Uint8Array(2_100_000);
    for (let place = 0; place < bytes.length; place += 2) bytes[place] = 0x0a;
    await expectError(() => readOnnx(message([7, bytes])), 'too-large', 'at most 1000000 nodes');
    await expectError(() => cutOnnx(message([7, bytes]), ['x']), 'too-large', 'at most 1000000 nodes');
    expect(() => startBudget(3).spend(3)).not.toThrow();
  });

  test('sizes that ask for more memory than they shall be given', async () => {
    await expectError(() => readOnnx(tensorOf([1, new Uint8Array(1_100_000).fill(1)])), 'too-large', 'at most 1000000');
  });
});

describe('numbers of a tensor', () => {
  test.each<[string, Uint8Array, ...string[]]>([
    ['too few raw bytes', tensorOf([1, 2], [2, 1], [9, new Uint8Array(4)]), '8 bytes of float32', '4 bytes'],
    ['a shape that claims what it likes', tensorOf([1, 2 ** 50], [1, 2 ** 50], [2, 7], [7, Uint8Array.of(1)]), 'of int64', '8 bytes'],
    ['none', tensorOf([1, 1], [2, 1]), '4 bytes of float32', '0 bytes'],
    ['a list whose last number is cut short', tensorOf([1, 1], [2, 7], [7, Uint8Array.of(1, 0x80)]), 'whole numbers in field 7'],
    ['a list of another wire type', tensorOf([1, 1], [2, 7], [7, Uint8Array.of(0x80, 0x80)]), '8 bytes of int64', '0 bytes'],
  ])('%s', async (_, bytes, ...pieces) => {
    await expectError(() => readOnnx(bytes).tensor('w'), 'corrupt-file', ...pieces);
  });

  test('an unknown name, and types that we lack', async () => {
    await expectError(() => readOnnx(tensorOf([2, 1])).tensor('v'), 'unknown-name', 'no initializer "v"', 'Known: w');
    await expectError(() => readOnnx(tensorOf([2, 22])).tensor('w'), 'unsupported', 'received: int4');
    await expectError(() => readOnnx(tensorOf([2, 99])).tensor('w'), 'unsupported', 'received: type 99');
    await expectError(() => readOnnx(tensorOf()).tensor('w'), 'unsupported', 'received: no type');
  });

  test('raw numbers are not copied, and a list stands in one field or in many', () => {
    const raw = tensorOf([1, 1], [2, 1], [9, Uint8Array.of(0, 0, 128, 63)]);
    expect(readOnnx(raw).tensor('w').bytes.buffer).toBe(raw.buffer);
    const many = readOnnx(tensorOf([1, 4], [2, 3], [5, -1], [5, Uint8Array.of(2, 3)], [5, 4])).tensor('w');
    expect(new Int8Array(many.bytes.buffer)).toEqual(Int8Array.of(-1, 2, 3, 4));
  });
});

test('sizes and names that some exporters write for what they do not know', () => {
  const sizes = [message([1, -1]), message([2, '']), message([2, 'batch']), message([1, 3]), message()];
  const shape = message(...sizes.map((size) => [1, size] as const));
  const value = message([1, 'x'], [2, message([1, message([1, 1], [2, shape])])]);
  expect(readOnnx(modelOf([11, value])).inputs).toEqual([{ name: 'x', type: 'float32', shape: [null, null, 'batch', 3, null] }]);
});

/** What is done with a file that nobody vouches for. */
function useAll(bytes: Uint8Array): void {
  const file = readOnnx(bytes);
  for (const name of file.initializers.keys()) attempt(() => file.tensor(name));
  for (const node of file.nodes) attempt(() => cutOnnx(bytes, node.outputs));
}

function attempt(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!TransferKitError.isInstance(error)) throw error;
  }
}

describe('bytes that were changed are read, or refused with a code', () => {
  const seeds = fc.sample(anyModel, { numRuns: 20, seed: 9 }).map(writeOnnx);

  test('any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => attempt(() => useAll(bytes))),
      { numRuns: 500, seed: 1 },
    );
  });

  test('a file with some bytes changed', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...seeds), changes, (seed, edits) => {
        const bytes = seed.slice();
        for (const [place, value] of edits) bytes[place % bytes.length] = value;
        attempt(() => useAll(bytes));
      }),
      { numRuns: 1500, seed: 2 },
    );
  });

  test('a file that ends within its graph is refused', () => {
    for (const seed of seeds.slice(0, 8)) {
      const graph = [...protobufFields(protobufMessage('model', seed))].find(({ number }) => number === 7)!;
      for (let length = 0; length < graph.end; length += 5) {
        expect(() => readOnnx(seed.subarray(0, length)), String(length)).toThrow(/^corrupt-file: .*(beyond the end|one graph)/s);
      }
    }
  });
});
