import * as tf from '@tensorflow/tfjs-core';
import { breathe } from '../engines/breathe.js';
import { collate, collateArrays, uncollate, uncollateArrays } from '../inputs/collate.js';
import type { EncodedArray } from '../inputs/input.js';
import type { NetworkFunctions, NetworkPart } from './network-functions.js';

/** Inputs run through a network at once when nothing is learnt. More gains little on a processor and costs memory. */
const inferenceBatch = 16;

/**
 * Inputs cut into batches of one shape each, at most `inferenceBatch` long. Nothing is padded, because padding changes the last
 * bits: a sum over a longer row is taken in another order. So an input gives the same numbers whatever it is computed with.
 */
function batchesByShape(inputs: readonly GraphInput[]): number[][] {
  const batches: number[][] = [];
  const open = new Map<string, number[]>();
  inputs.forEach(({ arrays }, index) => {
    const key = arrays.map(({ shape }) => shape.join()).join(';');
    const batch = open.get(key);
    if (batch !== undefined && batch.length < inferenceBatch) return batch.push(index);
    open.set(key, [index]);
    return batches.push(open.get(key)!);
  });
  return batches;
}

/** Batch tensors of some examples, one per fed tensor. Caller disposes. */
export function collateInputs(inputs: readonly GraphInput[], padding: readonly number[]): tf.Tensor[] {
  return padding.map((value, position) =>
    collate(
      inputs.map((input) => input.arrays[position]!),
      value,
    ),
  );
}

/** Arrays of one example for some tensors of a graph. */
export interface GraphInput {
  readonly arrays: readonly EncodedArray[];
}

/**
 * Runs part of a network over examples, in inference mode and in batches of one shape: what an example is computed with changes no
 * number, but for rounding by an engine that computes single examples in another order.
 * @param networks the compiled parts of the network
 * @returns per example, in the order given, one array per wanted tensor, without the batch axis
 */
export async function runExamples(networks: NetworkFunctions, part: NetworkPart, inputs: readonly GraphInput[]): Promise<EncodedArray[][]> {
  const rows: EncodedArray[][] = inputs.map(() => []);
  for (const batch of batchesByShape(inputs)) {
    await breathe();
    const collated = part.start.map((_, position) => collateArrays(batch.map((index) => inputs[index]!.arrays[position]!)));
    for (const output of await networks.run(part, collated)) {
      const column = uncollateArrays(output);
      batch.forEach((index, row) => rows[index]!.push(column[row]!));
    }
  }
  return rows;
}

/** Runs a function and disposes tensors behind it, also when it throws. */
export function disposeAfter<T>(tensors: readonly tf.Tensor[], compute: () => T): T {
  try {
    return compute();
  } finally {
    tf.dispose([...tensors]);
  }
}

/** Takes batch tensors apart and disposes them. */
export async function uncollateAll(tensors: readonly tf.Tensor[]): Promise<EncodedArray[][]> {
  try {
    return await Promise.all(tensors.map(uncollate));
  } finally {
    tf.dispose([...tensors]);
  }
}

/** The first array of each row as one block of numbers. */
export function sameSizeRows(rows: readonly EncodedArray[][], many: boolean, width: number): { shape: number[]; values: Float32Array } {
  const values = new Float32Array(rows.length * width);
  rows.forEach((row, index) => values.set(row[0]!.values, index * width));
  return { shape: many ? [rows.length, width] : [width], values };
}

/** Inputs decoded at once: bounds the memory of photos in a long list. */
const chunkSize = 64;

/** A list in pieces that fit into memory once they are decoded. */
export function* chunksOf<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < list.length; start += chunkSize) yield list.slice(start, start + chunkSize);
}
