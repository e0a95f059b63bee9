import type { OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from './onnx-model.js';
import { addBiases } from './simplify/add-biases.js';
import { foldConstants } from './simplify/fold-constants.js';
import { foldScales } from './simplify/fold-scales.js';
import { fuseGelu } from './simplify/fuse-gelu.js';
import { fuseLayerNormalization } from './simplify/fuse-layer-normalization.js';
import { mergeEqual } from './simplify/merge-equal.js';
import { relativeShapes } from './simplify/relative-shapes.js';
import { removeUnused } from './simplify/remove-unused.js';
import { sinkReshapes } from './simplify/sink-reshapes.js';
import { skipIdentities } from './simplify/skip-identities.js';
import { turnOnce } from './simplify/turn-once.js';

/** What a pass works on. */
export interface GraphBody {
  readonly inputs: readonly OnnxValue[];
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, OnnxTensor>;
  /** Names that must stay: what comes out. */
  readonly outputs: ReadonlySet<string>;
}

/** Rearranges a graph without changing what it computes. */
export type Pass = (body: GraphBody) => GraphBody;

/** In their order: patterns are looked for where nothing unused or said twice is in the way. */
const passes: readonly Pass[] = [
  skipIdentities,
  foldConstants,
  turnOnce,
  mergeEqual,
  removeUnused,
  fuseLayerNormalization,
  fuseGelu,
  sinkReshapes,
  relativeShapes,
  removeUnused,
  foldScales,
  addBiases,
  mergeEqual,
  removeUnused,
];

/** The same function with fewer nodes. */
export function simplify(model: OnnxModel): OnnxModel {
  const outputs = new Set(model.outputs.map(({ name }) => name));
  const start: GraphBody = { inputs: model.inputs, nodes: model.nodes, constants: model.constants, outputs };
  const { nodes, constants } = passes.reduce((body, pass) => pass(body), start);
  return { ...model, nodes, constants };
}
