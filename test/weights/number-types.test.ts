import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeNumbers, encodeHalf, isStoredType } from '../../src/weights/number-types.js';
import { expectError } from './expect-error.js';

const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

test('every stored type decodes to known numbers', () => {
  expect([...decodeNumbers(bytesOf(new Float64Array([1.5, -2, NaN])), 'F64')]).toEqual([1.5, -2, NaN]);
  expect([...decodeNumbers(bytesOf(new Float32Array([1.5, -2])), 'F32')]).toEqual([1.5, -2]);
  expect([...decodeNumbers(bytesOf(new Uint16Array([0x3fc0, 0xc000, 0x7f80])), 'BF16')]).toEqual([1.5, -2, Infinity]);
  expect([
    ...decodeNumbers(bytesOf(new Uint16Array([0x3e00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x0400, 0x8000, 0xfc00, 0x7e00])), 'F16'),
  ]).toEqual([1.5, -2, 65504, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, -0, -Infinity, NaN]);
  expect([...decodeNumbers(bytesOf(new BigInt64Array([5n, -1n, 2147483647n, -2147483648n])), 'I64')]).toEqual([
    5, -1, 2147483647, -2147483648,
  ]);
  expect([...decodeNumbers(bytesOf(new Int32Array([-7, 8])), 'I32')]).toEqual([-7, 8]);
  expect([...decodeNumbers(bytesOf(new Int16Array([-7, 8])), 'I16')]).toEqual([-7, 8]);
  expect([...decodeNumbers(bytesOf(new Int8Array([-7, 8])), 'I8')]).toEqual([-7, 8]);
  expect([...decodeNumbers(new Uint8Array([0, 255]), 'U8')]).toEqual([0, 255]);
  expect([...decodeNumbers(new Uint8Array([0, 1, 3]), 'BOOL')]).toEqual([0, 1, 1]);
});

test('bytes at an odd offset decode, and the numbers do not share their memory', () => {
  const bytes = new Uint8Array(9);
  new DataView(bytes.buffer).setFloat32(1, 2.5, true);
  const values = decodeNumbers(bytes.subarray(1), 'F32');
  bytes.fill(0);
  expect([...values]).toEqual([2.5, 0]);
});

test('a 64-bit integer that int32 cannot hold is told, with its value', async () => {
  await expectError(() => decodeNumbers(bytesOf(new BigInt64Array([1n, 2n ** 40n])), 'I64'), 'unsupported', 'element 1', '1099511627776');
});

test('all float16 values survive decoding and encoding', () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, index) => index);
  const values = decodeNumbers(bytesOf(bits), 'F16');
  const back = new Uint16Array(encodeHalf(values).buffer);
  for (let index = 0; index < 65536; index++) {
    if (Number.isNaN(values[index])) expect(back[index]! & 0x7fff).toBeGreaterThan(0x7c00);
    else expect(back[index]).toBe(index);
  }
});

test('encoding rounds to the nearest float16, ties to even', () => {
  const table = [...decodeNumbers(bytesOf(Uint16Array.from({ length: 0x7c00 }, (_, index) => index)), 'F16')];
  fc.assert(
    fc.property(fc.float({ min: 0, max: 65504, noNaN: true }), (value) => {
      const bits = new Uint16Array(encodeHalf([value]).buffer)[0]!;
      const chosen = Math.abs(table[bits]! - value);
      for (const other of [bits - 1, bits + 1]) {
        const distance = other < 0 || table[other] === undefined ? Infinity : Math.abs(table[other] - value);
        expect(chosen < distance || (chosen === distance && bits % 2 === 0)).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
  expect([...new Uint16Array(encodeHalf([65519, 65520, -1e9, 2 ** -25, 3 * 2 ** -26, 1 + 2 ** -11]).buffer)]).toEqual([
    0x7bff, 0x7c00, 0xfc00, 0, 1, 0x3c00,
  ]);
});

test('names of the prototype are no types', () => {
  expect(['F32', 'constructor', '__proto__', 5].map(isStoredType)).toEqual([true, false, false, false]);
});
