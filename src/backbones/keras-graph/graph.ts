import type { JsonObject } from '../../common/json.js';

/** A layer of a topology, with its settings as the file has them (Keras's snake_case). */
export type GraphLayer = {
  /** Unique in the whole graph. */
  readonly name: string;
  /** Keras's class name: `Conv2D`. */
  readonly className: string;
  readonly config: JsonObject;
  /** Where a .keras archive keeps its weights: `layers/conv2d_3`. */
  readonly archive?: string;
};

/** A tensor of the graph: the call that makes it, and which of its outputs it is. */
export type TensorReference = readonly [call: number, output: number];

/** One use of a layer; a shared layer has several. */
export type GraphCall = {
  readonly layer: string;
  /** Empty for an input layer. */
  readonly inputs: readonly TensorReference[];
};

/** A topology without nesting: every call after those that it needs. */
export type KerasGraph = {
  readonly layers: readonly GraphLayer[];
  readonly calls: readonly GraphCall[];
  readonly outputs: readonly TensorReference[];
};

/** The layer of each call, by number of the call. */
export function layersOfCalls(graph: Pick<KerasGraph, 'layers' | 'calls'>): GraphLayer[] {
  const named = new Map(graph.layers.map((layer) => [layer.name, layer]));
  return graph.calls.map((call) => named.get(call.layer)!);
}
