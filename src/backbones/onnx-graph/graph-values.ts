import type { HostTensor } from '../../engines/engine.js';
import type { OrtTensor, OrtValues } from '../../engines/onnx/onnx-runtime.js';
import type { OnnxType } from '../../graph/onnx-model.js';
import { decodeNumbers, encodeHalf } from '../../weights/number-types.js';

type Numbers = HostTensor['values'];

const toType: Partial<Record<OnnxType, (values: Numbers) => OrtValues>> = {
  float32: (values) => (values instanceof Float32Array ? values : Float32Array.from(values)),
  float16: (values) => new Uint16Array(encodeHalf(values).buffer),
  int64: (values) => BigInt64Array.from(values, BigInt),
  int32: (values) => (values instanceof Int32Array ? values : Int32Array.from(values)),
  bool: (values) => Uint8Array.from(values),
};

/** Element types of inputs that we can feed. */
export const inputTypes: readonly string[] = Object.keys(toType);

/** Element types of tensors that can be features. */
export const outputTypes: readonly string[] = ['float32', 'float16'];

/** Numbers in the type that a graph takes. */
export const asType = (values: Numbers, type: string): OrtValues => toType[type as OnnxType]!(values);

/** What a graph gave as float32; undefined for other types. Newer JavaScript has 16-bit floats of its own. */
export function floatsOf({ type, data }: OrtTensor): Float32Array | undefined {
  if (data instanceof Float32Array) return data;
  if (type !== 'float16') return undefined;
  if (!(data instanceof Uint16Array)) return Float32Array.from(data as ArrayLike<number>);
  return decodeNumbers(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 'F16') as Float32Array;
}

/** One example of a batch, as a batch. */
export function rowOf({ type, shape: [count = 1, ...shape], values }: HostTensor, row: number): HostTensor {
  const size = values.length / count;
  return { type, shape: [1, ...shape], values: values.subarray(row * size, (row + 1) * size) };
}

/** Batches of float32 and one shape as one. */
export function stacked(batches: readonly HostTensor[]): HostTensor {
  const [{ type, shape }] = batches as [HostTensor];
  const size = batches[0]!.values.length;
  const values = new Float32Array(size * batches.length);
  batches.forEach((batch, index) => values.set(batch.values, index * size));
  return { type, shape: [batches.length, ...shape.slice(1)], values };
}

/** Pixels or a map with its channels moved, axis by axis: [batch, rows, inner] becomes [batch, inner, rows]. */
function turned(values: Float32Array, batch: number, rows: number, inner: number): Float32Array {
  const result = new Float32Array(values.length);
  const size = rows * inner;
  for (let start = 0; start < batch * size; start += size)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < inner; column++) result[start + column * rows + row] = values[start + row * inner + column]!;
  return result;
}

/** [batch, height, width, channels] -> [batch, channels, height, width] */
export function channelsFirst({ type, shape, values }: HostTensor): HostTensor {
  const [batch, height, width, channels] = shape as [number, number, number, number];
  return { type, shape: [batch, channels, height, width], values: turned(values as Float32Array, batch, height * width, channels) };
}

/** [batch, channels, height, width] -> [batch, height, width, channels] */
export function channelsLast({ type, shape, values }: HostTensor): HostTensor {
  const [batch, channels, height, width] = shape as [number, number, number, number];
  return { type, shape: [batch, height, width, channels], values: turned(values as Float32Array, batch, channels, height * width) };
}
