import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Adapter } from '../adapters/adapter.js';
import type { Base } from '../base.js';
import type { AnyHead } from '../heads/head.js';
import type { NetworkFunctions } from './network-functions.js';
import { runExamples } from './run-examples.js';
import type { EncodedArray, EncodedInput } from '../inputs/input.js';
import { inference, runGraph, type RunOptions } from '../layers/run-graph.js';

/** What is needed to compute a head's outputs. */
export interface HeadedBase {
  readonly base: Base;
  readonly head: AnyHead;
  readonly headModel: LayersModel;
  /** The compiled parts of `headModel`. */
  readonly networks: NetworkFunctions;
  readonly adapter?: Adapter | undefined;
}

/** Runs a head's layers on feature tensors. Call inside `tf.tidy`. */
export function applyHead(headModel: LayersModel, features: readonly Tensor[], options: RunOptions = inference): Tensor[] {
  return runGraph(new Map(headModel.inputs.map((input, index) => [input, features[index]!])), headModel.outputs, options);
}

/**
 * Raw outputs of the head for encoded examples, in inference mode.
 * @param examples per example, one encoded input a branch
 * @returns per example, one array per output of the head
 */
export async function headOutputs(
  { base, head, headModel, networks, adapter }: HeadedBase,
  examples: readonly (readonly EncodedInput[])[],
): Promise<EncodedArray[][]> {
  const rows = await base.features(examples.flat(), head.takes, adapter);
  const perExample = examples.map((_, index) => ({ arrays: rows.slice(index * head.branches, (index + 1) * head.branches).flat() }));
  return runExamples(networks, { start: headModel.inputs, wanted: headModel.outputs }, perExample);
}
