import { TransferKitError } from '../../errors.js';
import { unknownName } from '../../common/nearest-name.js';
import { layersOfCalls } from './graph.js';
import type { GraphLayer, KerasGraph, TensorReference } from './graph.js';
import { activationOf, isTransparent } from './make-layer.js';

const pooling = new Set(['GlobalAveragePooling2D', 'GlobalMaxPooling2D', 'Flatten', 'Reshape']);
const dropouts = new Set(['Dropout', 'SpatialDropout2D']);
/** What may stand between the Dense layers of a head. */
const betweenDense = new Set([
  'Dense',
  'Dropout',
  'BatchNormalization',
  'LayerNormalization',
  'Activation',
  'ReLU',
  'LeakyReLU',
  'PReLU',
  'ELU',
  'Softmax',
]);

const isSoftmax = ({ className, config }: GraphLayer): boolean =>
  className === 'Softmax' || (className === 'Activation' && ['softmax', 'sigmoid'].includes(activationOf(config.activation)));

/** A convolution that turns channels into classes: 1x1, with nothing behind it that a feature would have. */
function isClassifierConvolution({ className, config }: GraphLayer): boolean {
  const pointwise = [config.kernel_size ?? 0].flat().every((size) => size === 1);
  return className === 'Conv2D' && pointwise && ['linear', 'softmax', 'sigmoid'].includes(activationOf(config.activation));
}

/** Walks back along a chain of calls that take one input each. */
class Walk {
  readonly #graph: KerasGraph;
  readonly #layers: readonly GraphLayer[];
  at: TensorReference;

  constructor(graph: KerasGraph, at: TensorReference) {
    this.#graph = graph;
    this.#layers = layersOfCalls(graph);
    this.at = at;
  }

  get layer(): GraphLayer {
    return this.#layers[this.at[0]]!;
  }

  /** Steps back once, where there is one input. */
  back(): boolean {
    const { inputs } = this.#graph.calls[this.at[0]]!;
    if (inputs.length !== 1) return false;
    this.at = inputs[0]!;
    return true;
  }

  /** Steps back over all layers that answer to the description. */
  skip(description: (layer: GraphLayer) => boolean): GraphLayer[] {
    const skipped: GraphLayer[] = [];
    while (description(this.layer)) {
      skipped.push(this.layer);
      if (!this.back()) throw noFeatures(skipped.at(-1)!.name);
    }
    return skipped;
  }
}

function noFeatures(name: string): TransferKitError {
  return new TransferKitError(
    'bad-config',
    `the features of this network cannot be told from its topology: everything from "${name}" on looks like a head.\n` +
      `  Expected: convolutions, then pooling or flattening, then at most one head of Dense layers or one 1x1 convolution\n` +
      `  Fix: name the layer whose output shall be the features, with config: { features: 'layer name' }.`,
    { details: { layer: name } },
  );
}

const isPooling = (layer: GraphLayer): boolean => pooling.has(layer.className) || dropouts.has(layer.className) || isTransparent(layer);

/**
 * The output of the last layer that makes features, when nobody named one.
 *
 * From the output backwards: softmax, dropout, flattening and global pooling are passed over. If a Dense layer is next, all Dense
 * layers and what stands between them are the head. If a linear 1x1 convolution is next, right under pooling or softmax, that one
 * is the head. Then pooling in front of the head is passed over too. What is left is the map that the head looked at; where the
 * network has no head, it is the map that it puts out or pools.
 */
function lastFeature(graph: KerasGraph): TensorReference {
  const [output, ...others] = graph.outputs;
  if (output === undefined || others.length > 0) {
    const names = graph.outputs.map(([call]) => graph.calls[call]!.layer);
    throw new TransferKitError(
      'bad-config',
      `this network has ${names.length} outputs (${names.join(', ')}), so its features cannot be told.\n  Expected: one output\n` +
        `  Fix: name the layer whose output shall be the features, with config: { features: 'layer name' }.`,
      { details: { outputs: names } },
    );
  }
  const walk = new Walk(graph, output);
  const trail = walk.skip((layer) => isPooling(layer) || isSoftmax(layer));
  if (walk.layer.className === 'Dense') walk.skip((layer) => betweenDense.has(layer.className) || isTransparent(layer));
  else if (trail.length > 0 && isClassifierConvolution(walk.layer)) walk.back();
  walk.skip(isPooling);
  if (walk.layer.className === 'InputLayer') throw noFeatures(walk.layer.name);
  return walk.at;
}

/**
 * Where the network is cut: at the named layer, or at the last one that makes features.
 * @throws TransferKitError `unknown-name` with the nearest layer; `bad-config` when there is more than one way to cut
 */
export function findFeatures(graph: KerasGraph, name: string | null): TensorReference {
  if (name === null) return lastFeature(graph);
  const call = graph.calls.findLastIndex(({ layer }) => layer === name);
  if (call < 0)
    throw unknownName(
      'layer',
      name,
      graph.layers.map((layer) => layer.name),
    );
  return [call, 0];
}
