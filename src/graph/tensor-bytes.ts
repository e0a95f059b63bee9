import type { RecordedConstant } from './graph-builder.js';
import type { OnnxTensor, OnnxType } from './onnx-model.js';

const makers: Partial<Record<OnnxType, (numbers: ArrayLike<number>) => ArrayBufferView>> = {
  float32: (numbers) => (numbers instanceof Float32Array ? numbers : Float32Array.from(numbers)),
  int32: (numbers) => (numbers instanceof Int32Array ? numbers : Int32Array.from(numbers)),
  int64: (numbers) => BigInt64Array.from(Array.from(numbers, BigInt)),
  bool: (numbers) => (numbers instanceof Uint8Array ? numbers : Uint8Array.from(numbers)),
};

/** The bytes of numbers. Typed arrays of the right type are not copied. */
export function tensorOf({ type, shape, numbers }: Pick<RecordedConstant, 'type' | 'shape' | 'numbers'>): OnnxTensor {
  const view = makers[type]!(numbers);
  return { type, shape, bytes: new Uint8Array(view.buffer, view.byteOffset, view.byteLength) };
}

/** The numbers of a float32 or whole-number tensor. */
export function numbersOf({ type, bytes }: OnnxTensor): Float32Array | Int32Array | BigInt64Array | Uint8Array {
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset, byteLength } = aligned;
  if (type === 'float32') return new Float32Array(buffer, byteOffset, byteLength / 4);
  if (type === 'int32') return new Int32Array(buffer, byteOffset, byteLength / 4);
  if (type === 'int64') return new BigInt64Array(buffer, byteOffset, byteLength / 8);
  return aligned;
}
