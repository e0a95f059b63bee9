import * as tf from '@tensorflow/tfjs-core';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { breathe } from '../engines/breathe.js';
import { eager } from '../engines/eager.js';
import type { EncodedArray } from '../inputs/input.js';
import { collate, uncollate } from '../inputs/collate.js';
import { runGraph } from '../layers/run-graph.js';

/** Inputs run through a network at once when nothing is learnt. More gains little on a processor and costs memory. */
const inferenceBatch = 16;

/** Indices cut into batches of alike length, so that little is spent on padding. */
function batchesByLength(lengths: readonly number[], size: number): number[][] {
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  return Array.from({ length: Math.ceil(order.length / size) }, (_, batch) => order.slice(batch * size, (batch + 1) * size));
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
  /** For batching alike with alike. */
  readonly length: number;
}

/** Where a computation starts: the tensors that are fed, and what pads each to the longest of a batch. */
export interface GraphStart {
  readonly tensors: readonly SymbolicTensor[];
  /** Default 0 for each. */
  readonly padding?: readonly number[];
}

/**
 * Runs part of a graph over examples, in inference mode and in batches of alike length.
 * @param wanted which tensors of the graph are asked for
 * @returns per example, in the order given, one array per wanted tensor, without the batch axis
 */
export async function runExamples(
  start: GraphStart,
  inputs: readonly GraphInput[],
  wanted: readonly SymbolicTensor[],
): Promise<EncodedArray[][]> {
  const network = eager.compile((tensors) =>
    runGraph(new Map(start.tensors.map((symbolic, index) => [symbolic, tensors[index]!])), wanted),
  );
  const padding = start.padding ?? start.tensors.map(() => 0);
  const rows: EncodedArray[][] = inputs.map(() => []);
  try {
    for (const batch of batchesByLength(
      inputs.map((input) => input.length),
      inferenceBatch,
    )) {
      await breathe();
      const tensors = collateInputs(
        batch.map((index) => inputs[index]!),
        padding,
      );
      const outputs = disposeAfter(tensors, () => network.run(tensors));
      for (const column of await uncollateAll(outputs)) batch.forEach((index, row) => rows[index]!.push(column[row]!));
    }
  } finally {
    network.dispose();
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
