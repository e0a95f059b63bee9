import * as tf from '@tensorflow/tfjs-core';
import type { FeatureName } from '../backbones/backbone.js';
import type { TensorPlaceholder } from '../engines/engine.js';
import { record } from '../graph/record.js';
import type { OnnxModel, OnnxNode, OnnxValue } from '../graph/onnx-model.js';
import { applyHead } from '../inference/head-outputs.js';
import type { Modality } from '../inputs/input.js';
import { inference, runGraph, type LayerAdapter, type RunOptions } from '../layers/run-graph.js';
import type { AnyModel } from '../training/weight-set.js';
import type { EntryInput, ExportEntry } from './entry.js';
import { featuresOf, mergeForExport, settleWeights, type ExportSubject } from './export-subject.js';

/** A tensor that an exported base gives. */
interface FeatureOutput {
  readonly feature: FeatureName;
  readonly name: string;
  /** The order of its axes in the file; absent where it is ours. */
  readonly order?: number[];
}

/** What a base without a head gives, by the names that transformers and sentence-transformers have. */
const featureOutputs: Readonly<Record<Modality, readonly FeatureOutput[]>> = {
  image: [
    { feature: 'map', name: 'last_hidden_state', order: [0, 3, 1, 2] },
    { feature: 'pooled', name: 'pooler_output' },
  ],
  text: [
    { feature: 'sequence', name: 'last_hidden_state' },
    { feature: 'pooled', name: 'sentence_embedding' },
  ],
};

/** What comes out of an exported network, and how it is computed from features. */
interface Ending {
  readonly takes: readonly FeatureName[];
  readonly branches: number;
  readonly outputs: readonly string[];
  /** @param features those of `takes`, branch after branch */
  finish(features: readonly tf.Tensor[]): readonly tf.Tensor[];
}

/** Outputs of one head are `logits`; of several, each has the name of its layer. */
function headEnding({ head, headModel }: AnyModel): Ending {
  const { outputs } = headModel;
  const names = outputs.length === 1 ? ['logits'] : outputs.map(({ sourceLayer }) => sourceLayer.name);
  return { takes: head.takes, branches: head.branches, outputs: names, finish: (features) => applyHead(headModel, features) };
}

function baseEnding({ base }: ExportSubject): Ending {
  const offered = featureOutputs[base.modality].filter(({ feature }) => base.parts.built.features[feature] !== undefined);
  return {
    takes: offered.map(({ feature }) => feature),
    branches: 1,
    outputs: offered.map(({ name }) => name),
    finish: (features) =>
      features.map((tensor, index) => (offered[index]!.order === undefined ? tensor : tf.transpose(tensor, offered[index]!.order))),
  };
}

/** The inputs of a file: those of each branch, from the second one on with its number. */
const branchInputs = (inputs: readonly EntryInput[], branches: number): EntryInput[] =>
  Array.from({ length: branches }, (_, branch) =>
    inputs.map((input) => (branch === 0 ? input : { ...input, name: `${input.name}_${branch + 1}` })),
  ).flat();

/** Under which name the recording has an input: whole numbers are converted before they are used. */
const recordedName = ({ name, type }: EntryInput): string => (type === 'int64' ? `${name}/int32` : name);

const placeholderOf = (input: EntryInput): TensorPlaceholder => ({
  name: recordedName(input),
  type: input.type === 'int64' ? 'int32' : 'float32',
  shape: input.shape,
});

/** Everything from the file's inputs to its outputs. */
function computation(subject: ExportSubject, entry: ExportEntry, ending: Ending, adapter: LayerAdapter | undefined) {
  const start = subject.base.parts.built.model.inputs;
  const wanted = featuresOf(subject, ending.takes);
  const options: RunOptions = { ...inference, adapter };
  const width = entry.inputs.length;
  return (tensors: readonly tf.Tensor[]): readonly tf.Tensor[] => {
    const features = Array.from({ length: ending.branches }, (_, branch) => {
      const entered = entry.enter(tensors.slice(branch * width, (branch + 1) * width));
      return runGraph(new Map(start.map((symbolic, index) => [symbolic, entered[index]!])), wanted, options);
    });
    return ending.finish(features.flat());
  };
}

/** ONNX's number of the type int32. */
const int32 = 6;

/** Nodes that make int32 of the file's int64. */
const conversions = (inputs: readonly EntryInput[]): OnnxNode[] =>
  inputs
    .filter(({ type }) => type === 'int64')
    .map((input) => ({ operator: 'Cast', inputs: [input.name], outputs: [recordedName(input)], attributes: { to: { int: int32 } } }));

/**
 * A model or base as an ONNX graph: float32 throughout, in inference mode, adapter merged.
 * Inputs are the entry's; outputs `logits` of a head, or the features of a base.
 * @throws TransferKitError `unsupported` naming an operation that a graph cannot hold
 */
export function onnxGraph(subject: ExportSubject, entry: ExportEntry): OnnxModel {
  const { base, model } = subject;
  settleWeights(subject);
  const ending = model === undefined ? baseEnding(subject) : headEnding(model);
  const inputs = branchInputs(entry.inputs, ending.branches);
  const merged = mergeForExport(subject);
  try {
    const recorded = record({
      name: base.parts.family.name,
      inputs: inputs.map(placeholderOf),
      outputs: ending.outputs,
      compute: computation(subject, entry, ending, merged.adapter),
    });
    const values: OnnxValue[] = inputs.map(({ name, type, shape }) => ({ name, type, shape }));
    return { ...recorded.model, inputs: values, nodes: [...conversions(inputs), ...recorded.model.nodes] };
  } finally {
    merged.dispose();
  }
}
