import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TransferKitError } from '../../src/errors.js';
import { memoryFile, type ByteFile } from '../../src/weights/byte-file.js';
import { maxHeaderBytes, readSafetensorsHeader, readTensor } from '../../src/weights/safetensors.js';
import { writeSafetensors } from '../../src/weights/write-safetensors.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { expectError } from './expect-error.js';

/** A file with any header text and any data, well-formed or not. */
function rawFile(header: string | object, dataBytes = 0): ByteFile {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return memoryFile(bytes, 'model.safetensors');
}

const entry = (start: number, end: number, shape: unknown = [(end - start) / 4], dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

async function readAll(file: ByteFile): Promise<Map<string, TensorValue>> {
  const { tensors } = await readSafetensorsHeader(file);
  const values = new Map<string, TensorValue>();
  for (const [name, tensor] of tensors) values.set(name, await readTensor(file, tensor));
  return values;
}

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const tensorValues = shapes.chain((shape) => {
  const length = shape.reduce((product, size) => product * size, 1);
  const floats = fc.float32Array({ minLength: length, maxLength: length });
  const integers = fc.int32Array({ minLength: length, maxLength: length });
  return fc.oneof(floats, integers).map((values): TensorValue => ({ shape, values }));
});
const names = fc
  .oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'toString', 'a"b\\c', 'ключ'))
  .filter((name) => name !== '__metadata__');
const tensorMaps = fc
  .uniqueArray(fc.tuple(names, tensorValues), { selector: ([name]) => name, maxLength: 6 })
  .map((entries) => new Map(entries));

describe('round trip', () => {
  test('any tensors come back equal, whatever they are called', async () => {
    await fc.assert(
      fc.asyncProperty(tensorMaps, fc.dictionary(fc.string(), fc.string()), async (tensors, metadata) => {
        const file = memoryFile(writeSafetensors(tensors, metadata));
        const read = await readAll(file);
        expect(new Map([...read].sort())).toEqual(new Map([...tensors].sort()));
        expect((await readSafetensorsHeader(file)).metadata).toEqual(new Map(Object.entries(metadata)));
      }),
      { numRuns: 300 },
    );
  });

  test('the bytes do not depend on the order of the tensors, and the data starts at a multiple of 8', async () => {
    const a: [string, TensorValue] = ['a', { shape: [1], values: new Float32Array([1]) }];
    const b: [string, TensorValue] = ['b', { shape: [2], values: new Int32Array([2, 3]) }];
    const bytes = writeSafetensors(new Map([a, b]), { z: '1', y: '2' });
    expect(bytes).toEqual(writeSafetensors(new Map([b, a]), { y: '2', z: '1' }));
    const header = await readSafetensorsHeader(memoryFile(bytes));
    expect(header.tensors.get('a')!.start % 8).toBe(0);
  });

  test('values that are a view into a larger buffer are written as the view says', async () => {
    const view = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    const read = await readAll(memoryFile(writeSafetensors(new Map([['w', { shape: [2], values: view }]]))));
    expect([...read.get('w')!.values]).toEqual([1, 2]);
  });

  test('float16 keeps integers and puts the wider tensors first', async () => {
    const tensors = new Map<string, TensorValue>([
      ['a', { shape: [3], values: new Float32Array([1, -0.5, 65504]) }],
      ['b', { shape: [1], values: new Int32Array([70000]) }],
    ]);
    const file = memoryFile(writeSafetensors(tensors, {}, 'F16'));
    const header = await readSafetensorsHeader(file);
    expect([...header.tensors].map(([name, { dtype }]) => [name, dtype])).toEqual([
      ['b', 'I32'],
      ['a', 'F16'],
    ]);
    expect(await readAll(file)).toEqual(new Map([...tensors].reverse()));
  });

  test('a tensor that cannot be saved is refused by name', async () => {
    await expectError(
      () => writeSafetensors(new Map([['w', { shape: [3], values: new Float32Array(2) }]])),
      'bad-input',
      '"w"',
      '3 values',
      '2 values',
    );
    await expectError(
      () => writeSafetensors(new Map([['__metadata__', { shape: [], values: new Float32Array(1) }]])),
      'bad-input',
      '__metadata__',
    );
  });

  test('a file with no tensors, and one with a scalar and an empty tensor', async () => {
    expect((await readSafetensorsHeader(rawFile('{}'))).tensors.size).toBe(0);
    const read = await readAll(rawFile({ s: entry(0, 4, []), e: entry(4, 4, [0, 5]) }, 4));
    expect(read.get('s')!.shape).toEqual([]);
    expect(read.get('e')).toEqual({ shape: [0, 5], values: new Float32Array(0) });
  });
});

describe('headers that lie', () => {
  const cases: readonly [name: string, file: ByteFile, ...pieces: (string | RegExp)[]][] = [
    ['empty file', memoryFile(new Uint8Array(0), 'model.safetensors'), 'too short', '0 bytes'],
    ['seven bytes', memoryFile(new Uint8Array(7)), 'too short', '7 bytes'],
    ['header longer than the file', memoryFile(new Uint8Array([50, 0, 0, 0, 0, 0, 0, 0, 123])), 'ends inside its header', '50 bytes'],
    ['header over the cap', memoryFile(Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0)), 'too large', '4294967295', String(maxHeaderBytes)],
    ['header length of 2^64 - 1', memoryFile(new Uint8Array(8).fill(255)), 'too large', '18446744073709551615'],
    ['header of no length', rawFile(''), 'cannot be read'],
    ['not JSON', rawFile('{"a":'), 'cannot be read'],
    ['not an object', rawFile('[1]'), 'cannot be read', 'starts with'],
    ['byte order mark', rawFile('\uFEFF{}'), 'starts with'],
    ['not UTF-8', memoryFile(Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff)), 'not UTF-8'],
    [
      'one name twice',
      rawFile('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}', 4),
      'the key "a" twice',
    ],
    ['one name twice, in two spellings', rawFile('{"a":1,"\\u0061":1}'), 'the key "a" twice'],
    ['one field twice', rawFile('{"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}', 4), 'the key "dtype" twice'],
    ['nesting without end', rawFile('{"a":'.repeat(100_000)), 'deeper than'],
    ['arrays without end', rawFile(`{"a":${'['.repeat(100_000)}`), 'deeper than'],
    ['an entry that is no object', rawFile({ a: 5 }), '"a"', 'entry is broken', '5'],
    ['an entry without fields', rawFile({ a: {} }), 'dtype is broken', 'nothing'],
    ['a dtype that is no name', rawFile({ a: entry(0, 4, [1], 'constructor') }, 4), 'dtype is broken'],
    ['a negative size', rawFile({ a: entry(0, 4, [-1]) }, 4), 'shape is broken', '[-1]'],
    ['a fractional size', rawFile({ a: entry(0, 4, [0.5]) }, 4), 'shape is broken'],
    ['a size beyond whole numbers', rawFile('{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,4]}}', 4), 'shape is broken'],
    ['a product that overflows', rawFile({ a: entry(0, 0, [2 ** 32, 2 ** 32]) }), 'does not fit its bytes', 'can be counted'],
    ['a product that overflows to zero', rawFile({ a: entry(0, 0, [2 ** 32, 2 ** 32, 0]) }), 'can be counted'],
    ['a shape larger than its bytes', rawFile({ a: entry(0, 4, [2]) }, 4), 'does not fit its bytes', '8 bytes', '4 bytes'],
    ['offsets in the wrong order', rawFile({ a: entry(4, 0, [1]) }, 4), 'data_offsets are broken'],
    ['three offsets', rawFile({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4, 8] } }, 4), 'data_offsets are broken'],
    ['a negative offset', rawFile({ a: entry(-4, 0) }, 4), 'data_offsets are broken'],
    ['an overlap', rawFile({ a: entry(0, 8), b: entry(4, 12) }, 12), '"b"', 'overlap', 'at 8', 'received: 4'],
    ['the same bytes twice', rawFile({ a: entry(0, 4), b: entry(0, 4) }, 4), 'overlap'],
    ['a gap', rawFile({ a: entry(0, 4), b: entry(8, 12) }, 12), '"b"', 'gap'],
    ['a gap at the start', rawFile({ a: entry(4, 8) }, 8), '"a"', 'gap'],
    ['bytes that nobody owns', rawFile({ a: entry(0, 4) }, 8), 'goes on after its last tensor'],
    ['a truncated file', rawFile({ a: entry(0, 4), b: entry(4, 12) }, 6), 'ends before its tensors do'],
    ['metadata that is no object', rawFile({ __metadata__: 3 }), 'metadata is broken'],
    ['metadata that is no string', rawFile({ __metadata__: { epochs: 3 } }), 'metadata is broken', 'epochs'],
  ];
  test.each(cases)('%s', async (_name, file, ...pieces) => {
    await expectError(readSafetensorsHeader(file), 'corrupt-file', file.origin, ...pieces, 'Fix:');
  });

  test('a number type that is known elsewhere is unsupported, not corrupt', async () => {
    await expectError(readSafetensorsHeader(rawFile({ a: entry(0, 4, [4], 'F8_E4M3') }, 4)), 'unsupported', 'F8_E4M3', 'BF16');
  });

  test('a tensor called __proto__ is a tensor like any other', async () => {
    const read = await readAll(rawFile('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4));
    expect([...read.keys()]).toEqual(['__proto__']);
    expect(({} as Record<string, unknown>)['dtype']).toBeUndefined();
  });

  test('a file that shrinks after its header was read', async () => {
    const bytes = writeSafetensors(new Map([['w', { shape: [4], values: new Float32Array(4) }]]));
    const { tensors } = await readSafetensorsHeader(memoryFile(bytes));
    await expectError(readTensor(memoryFile(bytes.subarray(0, -4)), tensors.get('w')!), 'corrupt-file', 'ends inside a tensor');
  });

  test('a hostile name does not flood the message', async () => {
    const error = await expectError(readSafetensorsHeader(rawFile({ ['x'.repeat(1e6)]: 5 })), 'corrupt-file');
    expect(error.message.length).toBeLessThan(2000);
  });
});

describe('damage', () => {
  const original = writeSafetensors(
    new Map<string, TensorValue>([
      ['kernel', { shape: [2, 3], values: new Float32Array([1, 2, 3, 4, 5, 6]) }],
      ['steps', { shape: [2], values: new Int32Array([7, 8]) }],
    ]),
    { format: 'pt' },
  );

  test('every truncation is told', async () => {
    for (let length = 0; length < original.length; length++) {
      await expectError(readAll(memoryFile(original.slice(0, length))), 'corrupt-file');
    }
  });

  test('any flipped byte gives a TransferKitError or well-formed tensors of the same total size, quickly', async () => {
    const position = fc.integer({ min: 0, max: original.length - 1 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(position, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }), async (flips) => {
        const damaged = original.slice();
        for (const [index, mask] of flips) damaged[index]! ^= mask;
        try {
          const read = await readAll(memoryFile(damaged));
          const elements = [...read.values()].reduce((sum, { values }) => sum + values.length, 0);
          expect(elements).toBeLessThanOrEqual(original.length);
        } catch (error) {
          if (!TransferKitError.isInstance(error)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('random bytes are refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await readAll(memoryFile(bytes)).catch((error: unknown) => {
          if (!TransferKitError.isInstance(error)) throw error;
        });
      }),
      { numRuns: 1000 },
    );
  });

  test('a header at its cap is judged in a few seconds', async () => {
    const lines = Array.from({ length: 300_000 }, (_, index) => `"t${index}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`);
    const started = performance.now();
    expect((await readSafetensorsHeader(rawFile(`{${lines.join(',')}}`))).tensors.size).toBe(300_000);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});

test('small whole numbers take one byte each, and are read as int32', async () => {
  const bytes = writeSafetensors(new Map([['q', { shape: [3], values: Int8Array.of(-128, 0, 127) }]]));
  const { tensors } = await readSafetensorsHeader(memoryFile(bytes));
  expect(tensors.get('q')).toMatchObject({ dtype: 'I8', shape: [3] });
  expect((await readTensor(memoryFile(bytes), tensors.get('q')!)).values).toEqual(Int32Array.of(-128, 0, 127));
});
