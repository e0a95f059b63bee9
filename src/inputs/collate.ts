import type * as tf from '@tensorflow/tfjs-core';
import { tensorFrom } from '../engines/host-tensor.js';
import type { HostTensor } from '../engines/engine.js';
import type { EncodedArray } from './input.js';

/** The largest size of each axis over arrays of one rank. */
function commonShape(arrays: readonly EncodedArray[]): number[] {
  return arrays[0]!.shape.map((_, axis) => Math.max(...arrays.map((array) => array.shape[axis]!)));
}

/** Copies an array into the corner of a larger one, axis by axis. */
function place(source: EncodedArray, target: Float32Array | Int32Array, targetShape: readonly number[], targetStart: number): void {
  const rank = source.shape.length;
  const rowLength = rank === 0 ? 1 : source.shape[rank - 1]!;
  const rows = source.values.length / Math.max(1, rowLength);
  for (let row = 0; row < rows; row++) {
    let rest = row;
    let offset = 0;
    let stride = rank === 0 ? 1 : targetShape[rank - 1]!;
    for (let axis = rank - 2; axis >= 0; axis--) {
      offset += (rest % source.shape[axis]!) * stride;
      rest = Math.floor(rest / source.shape[axis]!);
      stride *= targetShape[axis]!;
    }
    target.set(source.values.subarray(row * rowLength, (row + 1) * rowLength), targetStart + offset);
  }
}

/**
 * Puts the arrays of several examples into one: [batch, ...shape]. Where sizes differ, each is padded at the end to the largest.
 * int32 arrays give int32, float32 arrays float32.
 */
export function collateArrays(arrays: readonly EncodedArray[], padding = 0): HostTensor {
  const shape = commonShape(arrays);
  const size = shape.reduce((product, length) => product * length, 1);
  const integers = arrays[0]!.values instanceof Int32Array;
  const values = integers ? new Int32Array(size * arrays.length) : new Float32Array(size * arrays.length);
  if (padding !== 0) values.fill(padding);
  arrays.forEach((array, index) => {
    if (array.values.length === size) values.set(array.values, index * size);
    else place(array, values, shape, index * size);
  });
  return { type: integers ? 'int32' : 'float32', shape: [arrays.length, ...shape], values };
}

/** `collateArrays` as a tensor. Caller disposes. */
export const collate = (arrays: readonly EncodedArray[], padding = 0): tf.Tensor => tensorFrom(collateArrays(arrays, padding));

/** Takes a batch apart again: one array per example, in memory of its own. */
export function uncollateArrays({ shape: [count = 0, ...shape], values, type }: HostTensor): EncodedArray[] {
  const numbers = type === 'bool' ? Int32Array.from(values) : (values as Float32Array | Int32Array);
  const size = numbers.length / Math.max(1, count);
  return Array.from({ length: count }, (_, index) => ({ shape, values: numbers.slice(index * size, (index + 1) * size) }));
}

/** The same of a tensor, which is left as it is. */
export async function uncollate(tensor: tf.Tensor): Promise<EncodedArray[]> {
  const { shape, dtype } = tensor;
  return uncollateArrays({ shape, type: dtype as HostTensor['type'], values: await tensor.data<'float32'>() });
}
