import { input as inputLayer, layers, model } from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../errors.js';
import { imageProcessor } from '../inputs/image.js';
import type { ImageRecipe } from '../inputs/image.js';
import type { JsonObject } from '../common/json.js';
import { Greyscale } from '../layers/greyscale.js';
import { GlobalPooling } from '../layers/global-pooling.js';
import type { Checkpoint } from '../sources/source.js';
import type { WeightTable } from '../weights/fill-model.js';
import { parseJsonObject } from '../weights/read-json.js';
import { defineBackbone } from './backbone.js';
import type { BuiltBackbone } from './backbone.js';
import { flattenTopology } from './keras-graph/flatten-topology.js';
import { layersOfCalls } from './keras-graph/graph.js';
import type { GraphLayer, KerasGraph, TensorReference } from './keras-graph/graph.js';
import { findFeatures } from './keras-graph/last-feature.js';
import { layerGroups } from './keras-graph/layer-groups.js';
import type { PlacedCall } from './keras-graph/layer-groups.js';
import { isTransparent, makeLayer, unsupportedLayer } from './keras-graph/make-layer.js';
import { graphRows, neededCalls } from './keras-graph/rows.js';
import { tinyGraph } from './keras-graph/tiny-graph.js';

/** How bytes of a photo become the numbers that a network was trained on. */
export type PixelRange = 'zero-to-one' | 'minus-one-to-one' | 'zero-to-255';

/** A network as its topology describes it, written out without nesting. */
export interface KerasGraphConfig extends JsonObject, KerasGraph {
  /** Name of the layer whose output is the features; null for the last one that makes features. */
  readonly features: string | null;
  /** What numbers the network takes; null where the files do not tell. */
  readonly pixels: PixelRange | null;
}

/** Scale and mean of each range. */
const ranges: Readonly<Record<PixelRange, readonly [scale: number, mean: number]>> = {
  'zero-to-one': [1 / 255, 0],
  'minus-one-to-one': [1 / 127.5, 1],
  'zero-to-255': [1, 0],
};

/** Reads a companion file of JSON, if there is one. */
async function readCompanion(checkpoint: Checkpoint, path: string): Promise<JsonObject> {
  const file = await checkpoint.file(path);
  return file === undefined ? {} : parseJsonObject(file, path, 'bad-config');
}

/** Where the files tell what pixels must look like: Teachable Machine's metadata, or a layer that takes 0 to 255 itself. */
async function pixelsOf(checkpoint: Checkpoint, graph: KerasGraph): Promise<PixelRange | null> {
  const { packageName } = await readCompanion(checkpoint, 'metadata.json');
  if (packageName === '@teachablemachine/image') return 'minus-one-to-one';
  const onTop = layersOfCalls(graph).find((layer) => layer.className !== 'InputLayer' && !isTransparent(layer));
  return onTop?.className === 'Rescaling' ? 'zero-to-255' : null;
}

async function parse(checkpoint: Checkpoint): Promise<KerasGraphConfig> {
  const graph = flattenTopology(checkpoint.config);
  return { ...graph, features: null, pixels: await pixelsOf(checkpoint, graph) };
}

/** The shape of a graph's one input: [height, width, channels], null where it is free. */
function inputShape(graph: KerasGraph): (number | null)[] {
  const inputs = layersOfCalls(graph).filter((_, index) => graph.calls[index]!.inputs.length === 0);
  const [only] = inputs;
  const shape = only?.config.batch_input_shape ?? only?.config.batch_shape;
  const sizes = Array.isArray(shape) ? (shape as (number | null)[]).slice(1) : [];
  const known = sizes.length === 3 && sizes.every((size) => size === null || (Number.isInteger(size) && size > 0));
  if (inputs.length === 1 && known && sizes[2] !== null) return sizes;
  const received = inputs.map(
    (layer) => `"${layer.name}" ${JSON.stringify(layer.config.batch_input_shape ?? layer.config.batch_shape ?? null)}`,
  );
  throw noPhotos('one input of shape [batch, height, width, channels]', received.join(', ') || 'no input');
}

function noPhotos(expected: string, received: string): TransferKitError {
  return new TransferKitError(
    'unsupported',
    `keras-graph needs a network that takes photos.\n  Expected: ${expected}\n  Received: ${received}\n` +
      `  Fix: choose a network for photos, or write a backbone of your own for this one.`,
    { details: { expected, received } },
  );
}

/** Makes the layers and connects them. */
class GraphBuilder {
  readonly placed: PlacedCall[] = [];
  readonly #layers = new Map<string, layers.Layer>();
  /** By number of the graph's call: its outputs, and the number of the call in `placed`. */
  readonly #done = new Map<number, { readonly outputs: readonly SymbolicTensor[]; readonly index: number }>();

  tensor([call, output]: TensorReference): SymbolicTensor | undefined {
    return this.#done.get(call)?.outputs[output];
  }

  /** Starts at the photo: float32 [batch, height, width, 3], made grey here where the network takes one channel. */
  start(call: number, shape: readonly (number | null)[]): SymbolicTensor {
    const pixels = inputLayer({ shape: [shape[0]!, shape[1]!, shape[2] === 1 ? 3 : shape[2]!], name: 'pixels' });
    this.placed.push({ layer: pixels.sourceLayer, inputs: [] });
    const grey = shape[2] === 1 ? new Greyscale({ name: 'pixels/grey' }) : undefined;
    if (grey !== undefined) this.placed.push({ layer: grey, inputs: [0] });
    this.#done.set(call, { outputs: [(grey?.apply(pixels) as SymbolicTensor | undefined) ?? pixels], index: this.placed.length - 1 });
    return pixels;
  }

  add(call: number, description: GraphLayer, inputs: readonly TensorReference[]): void {
    const sources = inputs.map(([source]) => this.#done.get(source)!);
    const given = inputs.map((reference) => this.tensor(reference));
    if (given.includes(undefined)) throw unsupportedLayer(description, 'it takes an output that another layer does not have');
    const tensors = given as SymbolicTensor[];
    if (isTransparent(description)) {
      this.#done.set(call, { outputs: tensors, index: sources[0]!.index });
      return;
    }
    const layer = this.#layers.get(description.name) ?? makeLayer(description, tensors[0]!.shape);
    this.#layers.set(description.name, layer);
    const outputs = this.#apply(layer, description, tensors);
    this.placed.push({ layer, inputs: sources.map(({ index }) => index) });
    this.#done.set(call, { outputs, index: this.placed.length - 1 });
  }

  #apply(layer: layers.Layer, description: GraphLayer, tensors: SymbolicTensor[]): SymbolicTensor[] {
    try {
      return [layer.apply(tensors.length === 1 ? tensors[0]! : tensors) as SymbolicTensor | SymbolicTensor[]].flat();
    } catch (cause) {
      if (TransferKitError.isInstance(cause)) throw cause;
      throw unsupportedLayer(
        description,
        `its input of shape ${JSON.stringify(tensors[0]!.shape)} does not fit (${(cause as Error).message})`,
        cause,
      );
    }
  }
}

/** The feature tensor as features: a map and its mean, or the vector that it is. */
function featuresOf(tensor: SymbolicTensor, name: string): BuiltBackbone['features'] {
  if (tensor.rank === 2) return { pooled: tensor };
  if (tensor.rank === 4)
    return { pooled: new GlobalPooling({ name: 'pooled', mode: 'average' }).apply(tensor) as SymbolicTensor, map: tensor };
  throw new TransferKitError(
    'bad-config',
    `the output of layer "${name}" cannot be features.\n  Expected: a vector [batch, features] or a map [batch, height, width, features]\n` +
      `  Received: shape ${JSON.stringify(tensor.shape)}\n  Fix: name another layer with config: { features: 'layer name' }.`,
    { details: { layer: name, shape: tensor.shape } },
  );
}

function build(config: KerasGraphConfig): BuiltBackbone {
  const shape = inputShape(config);
  const cut = findFeatures(config, config.features);
  const described = layersOfCalls(config);
  const builder = new GraphBuilder();
  let pixels: SymbolicTensor | undefined;
  for (const call of neededCalls(config, cut)) {
    const { inputs } = config.calls[call]!;
    if (inputs.length === 0) pixels = builder.start(call, shape);
    else builder.add(call, described[call]!, inputs);
  }
  const features = featuresOf(builder.tensor(cut)!, described[cut[0]]!.name);
  return {
    model: model({ inputs: pixels!, outputs: features.pooled, name: 'keras-graph' }),
    groups: layerGroups(builder.placed),
    features,
  };
}

/** The layer names of the file are kept, so the names of its weights are ours already. */
const layersModel: WeightTable<KerasGraphConfig> = {
  detect: () => true,
  rows: (config, names) => graphRows(config, findFeatures(config, config.features), names),
  // Whatever no layer before the cut asks for belongs to the head; what such a layer lacks is reported as missing.
  ignore: [/^/],
};

/** The whole photo brought to a size, its bytes to a range. */
function stretchedRecipe([height, width]: readonly [number, number], range: PixelRange): ImageRecipe {
  const [scale, mean] = ranges[range];
  return {
    kind: 'image',
    resize: { mode: 'stretch', height, width, interpolation: 'bilinear', antialias: true },
    crop: null,
    scale,
    mean: [mean, mean, mean],
    std: [1, 1, 1],
    channelOrder: 'rgb',
  };
}

async function input(config: KerasGraphConfig): Promise<ImageRecipe> {
  const [height, width, channels] = inputShape(config);
  if (channels !== 1 && channels !== 3) throw noPhotos(`one input with 3 channels, or with 1`, `${channels} channels`);
  const range = config.pixels !== null && Object.hasOwn(ranges, config.pixels) ? config.pixels : undefined;
  if (range === undefined) {
    throw new TransferKitError(
      'bad-config',
      `a topology does not say which numbers the network takes for pixels, and a wrong guess would spoil its features in silence.\n` +
        `  Expected: config: { pixels: ${Object.keys(ranges)
          .map((name) => `'${name}'`)
          .join(' | ')} }\n  Received: ${JSON.stringify(config.pixels)}\n` +
        `  Fix: say how it was trained, for example 'minus-one-to-one' for x / 127.5 - 1 or 'zero-to-one' for x / 255.`,
      { details: { field: 'pixels', received: config.pixels } },
    );
  }
  return Promise.resolve(stretchedRecipe([height ?? 224, width ?? 224], range));
}

const tinyConfig: KerasGraphConfig = { ...tinyGraph, features: null, pixels: 'minus-one-to-one' };

/**
 * Any network for photos that a tfjs LayersModel (`model.json`) of Keras 2, Keras 3 or tfjs describes, nested or not.
 *
 * It is cut at the layer that `config: { features: 'conv_pw_13_relu' }` names, or else in front of its head. `pooled` is the mean
 * over the places of a map, or the vector itself; `map` is there where the network is cut at a map. Groups are blocks between the
 * places that all of the flow passes through, called after their first layer with weights. Photos are stretched to the size of the
 * topology's input (224 where it is free); `config: { pixels: 'minus-one-to-one' }` says in what range, unless the files tell.
 *
 * What belonged to the first training is left out: initialisers, regularisers, constraints, frozen flags, noise and augmentation
 * layers other than Dropout.
 *
 * @example
 * ```ts
 * import { loadPretrained } from 'transferkit';
 *
 * const base = await loadPretrained({
 *   backbone: 'keras-graph',
 *   source: 'mobilenet-v1/model.json',
 *   config: { features: 'conv_pw_13_relu', pixels: 'minus-one-to-one' },
 * });
 * ```
 */
export const kerasGraph = defineBackbone<KerasGraphConfig, 'image'>({
  apiVersion: 1,
  name: 'keras-graph',
  modality: 'image',
  matches: ({ config }) => config.modelTopology !== undefined,
  parse,
  build,
  weights: { 'layers-model': layersModel },
  input,
  processor: imageProcessor,
  tiny: { config: tinyConfig, input: stretchedRecipe([32, 32], 'minus-one-to-one') },
});
