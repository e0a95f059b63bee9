import { TransferKitError } from '../errors.js';
import type { StoredType, TensorValue } from './tensor-value.js';

/** Bytes of one element of each stored type. */
export const bytesPerElement: Readonly<Record<StoredType, number>> = {
  F64: 8,
  I64: 8,
  F32: 4,
  I32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** Whether a name read from a file is a stored type that can be decoded. */
export const isStoredType = (name: unknown): name is StoredType => typeof name === 'string' && Object.hasOwn(bytesPerElement, name);

type Values = TensorValue['values'];
type Decoder = (bytes: Uint8Array<ArrayBuffer>) => Values;

/** The value of one float16 bit pattern; subnormals, infinities and NaN included. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halfTable: Float32Array | undefined;

/** All 65536 float16 values: a look-up is several times faster than the arithmetic. Made on first use, 256 KiB. */
const halfValues = (): Float32Array => (halfTable ??= Float32Array.from({ length: 65536 }, (_, bits) => halfToNumber(bits)));

function decodeHalf(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const bits = new Uint16Array(bytes.buffer);
  const table = halfValues();
  const values = new Float32Array(bits.length);
  for (let index = 0; index < bits.length; index++) values[index] = table[bits[index]!]!;
  return values;
}

/** A bfloat16 is the upper half of a float32. */
function decodeBrainHalf(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const bits = new Uint16Array(bytes.buffer);
  const words = new Uint32Array(bits.length);
  for (let index = 0; index < bits.length; index++) words[index] = bits[index]! << 16;
  return new Float32Array(words.buffer);
}

/** 64-bit integers as int32. @throws TransferKitError `unsupported` for a value that int32 cannot hold. */
function decodeLong(bytes: Uint8Array<ArrayBuffer>): Int32Array {
  const words = new Int32Array(bytes.buffer);
  const values = new Int32Array(words.length / 2);
  for (let index = 0; index < values.length; index++) {
    const low = words[2 * index]!;
    if (words[2 * index + 1] !== low >> 31) throw longOverflow(words, index);
    values[index] = low;
  }
  return values;
}

function longOverflow(words: Int32Array, index: number): TransferKitError {
  const value = new BigInt64Array(words.buffer)[index]!;
  return new TransferKitError(
    'unsupported',
    `element ${index} of an I64 tensor is ${value}; expected -2147483648 to 2147483647, as integers are computed in int32.\n` +
      '  Fix: store the tensor as I32, or as F32 if it is not an index.',
    { details: { index, value: String(value) } },
  );
}

/** Typed arrays have the byte order of the machine, and every machine that runs JavaScript today is little-endian, as the files are. */
const decoders: Readonly<Record<StoredType, Decoder>> = {
  F64: (bytes) => Float32Array.from(new Float64Array(bytes.buffer)),
  F32: (bytes) => new Float32Array(bytes.buffer),
  F16: decodeHalf,
  BF16: decodeBrainHalf,
  I64: decodeLong,
  I32: (bytes) => new Int32Array(bytes.buffer),
  I16: (bytes) => Int32Array.from(new Int16Array(bytes.buffer)),
  I8: (bytes) => Int32Array.from(new Int8Array(bytes.buffer)),
  U8: (bytes) => Int32Array.from(bytes),
  BOOL: (bytes) => Int32Array.from(bytes, (byte) => (byte === 0 ? 0 : 1)),
};

/**
 * Little-endian bytes of a stored type as numbers: float32 for floating types, int32 for integers and booleans.
 * The result never shares memory with `bytes`, which may start at any offset of its buffer.
 * @throws TransferKitError `unsupported` for a 64-bit integer that does not fit int32.
 */
export const decodeNumbers = (bytes: Uint8Array, dtype: StoredType): Values => decoders[dtype](new Uint8Array(bytes));

const floatScratch = new Float32Array(1);
const bitScratch = new Uint32Array(floatScratch.buffer);

/** The float16 bit pattern nearest to a float32, ties to even. */
function numberToHalf(value: number): number {
  floatScratch[0] = value;
  const bits = bitScratch[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  // Below 2^-14 the steps of float16 are even, 2^-24 each.
  if (magnitude < 0x38800000) return sign | roundHalfEven(Math.abs(floatScratch[0]) * 2 ** 24);
  // Round away the 13 lowest bits; a carry into the exponent is what rounding up to the next power (or infinity) is.
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Float32 numbers as little-endian float16 bytes, rounded to nearest; beyond 65504 they become infinite. */
export function encodeHalf(values: ArrayLike<number>): Uint8Array {
  const bits = new Uint16Array(values.length);
  for (let index = 0; index < bits.length; index++) bits[index] = numberToHalf(values[index]!);
  return new Uint8Array(bits.buffer);
}
