import * as tf from '@tensorflow/tfjs-core';
import type { JsonObject } from '../common/json.js';
import type { TensorValue } from '../weights/tensor-value.js';
import type { FigureSums } from './averages.js';
import type { RankedEpoch } from './best-epochs.js';
import type { EpochRecord } from './history.js';
import type { OptimizerState } from './optimizer.js';
import type { AverageState } from './weight-average.js';

/** Where a phase stands, and all that it needs to go on from there, beside the weights of the model. */
export interface PhaseState {
  /** From 1; the epoch that is under way or comes next. */
  readonly epoch: number;
  /** Batches of this epoch that are done. */
  readonly batch: number;
  /** Times the weights moved. */
  readonly updates: number;
  /** Figures of this epoch so far. */
  readonly sums: FigureSums;
  readonly records: readonly EpochRecord[];
  /** The epochs whose weights are kept, best first. */
  readonly best: readonly RankedEpoch[];
  readonly optimizer: OptimizerState;
  /** The moving average of the weights. */
  readonly average?: AverageState;
  /** Weights of the epochs in `best`. */
  readonly kept: readonly ReadonlyMap<string, tf.Tensor>[];
}

/** Plain data and tensors, as a checkpoint keeps them. */
export interface PackedState {
  readonly json: JsonObject;
  readonly tensors: ReadonlyMap<string, TensorValue>;
}

type TensorSets = Readonly<Record<string, ReadonlyMap<string, tf.Tensor>>>;

/** Reads sets of tensors: `<set>/<name>`. */
export async function readTensors(sets: TensorSets): Promise<Map<string, TensorValue>> {
  const values = new Map<string, TensorValue>();
  for (const [set, tensors] of Object.entries(sets))
    for (const [name, tensor] of tensors)
      values.set(`${set}/${name}`, { shape: tensor.shape, values: (await tensor.data()) as Float32Array | Int32Array });
  return values;
}

/** The tensors of one set, made anew. Caller disposes. */
export function makeTensors(set: string, values: ReadonlyMap<string, TensorValue>): Map<string, tf.Tensor> {
  const own = [...values].filter(([name]) => name.startsWith(`${set}/`));
  return new Map(
    own.map(([name, { shape, values: numbers }]) => [
      name.slice(set.length + 1),
      tf.tensor(numbers, [...shape], numbers instanceof Int32Array ? 'int32' : 'float32'),
    ]),
  );
}

/** A phase as plain data and arrays. The tensors are read before anything else may run. */
export async function packPhase({ optimizer, average, kept, ...numbers }: PhaseState): Promise<PackedState> {
  const { tensors: slots, ...optimizerNumbers } = optimizer;
  const sets = {
    optimizer: slots,
    ...(average === undefined ? {} : { average: average.tensors }),
    ...Object.fromEntries(kept.map((tensors, index) => [`best-${index}`, tensors])),
  };
  const json = {
    ...numbers,
    optimizer: optimizerNumbers,
    ...(average === undefined ? {} : { average: { updates: average.updates } }),
  } as unknown as JsonObject;
  return { json, tensors: await readTensors(sets) };
}

/** A phase from plain data and arrays. Its tensors belong to the caller, who disposes all but those in `kept`. */
export function unpackPhase({ json, tensors }: PackedState): PhaseState {
  const { optimizer, average, best, ...numbers } = json as unknown as PhaseState;
  return {
    ...numbers,
    best,
    optimizer: { ...optimizer, tensors: makeTensors('optimizer', tensors) },
    ...(average === undefined ? {} : { average: { ...average, tensors: makeTensors('average', tensors) } }),
    kept: best.map((_, index) => makeTensors(`best-${index}`, tensors)),
  };
}
