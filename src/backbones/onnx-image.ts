import { input as inputLayer, model as makeModel } from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { JsonObject } from '../common/json.js';
import { TransferKitError } from '../errors.js';
import type { OnnxFileSize } from '../graph/read-onnx-type.js';
import { imageProcessor, imageRecipeFromHuggingFace } from '../inputs/image.js';
import type { ImageRecipe } from '../inputs/image.js';
import { recipeSize } from '../inputs/image-recipe.js';
import { FrozenGraph } from '../layers/frozen-graph.js';
import { GlobalPooling } from '../layers/global-pooling.js';
import { LayerChain } from '../layers/layer-chain.js';
import { TokenPooling, type PoolingMode } from '../layers/token-pooling.js';
import { UnitLength } from '../layers/unit-length.js';
import type { Checkpoint } from '../sources/source.js';
import { parseJsonObject } from '../weights/read-json.js';
import { defineBackbone } from './backbone.js';
import type { AttachContext, BuiltBackbone } from './backbone.js';
import { attachGraph, savedGraph } from './onnx-graph/attach-graph.js';
import { badGraph, poolingOf, type GraphConfig } from './onnx-graph/graph-config.js';
import { holdsGraph } from './onnx-graph/graph-file.js';
import { graphWeights } from './onnx-graph/graph-weights.js';
import { channelsFirst, channelsLast } from './onnx-graph/graph-values.js';
import { graphFacts, readGraph, type ReadGraph } from './onnx-graph/read-graph.js';
import { tinyImageGraph } from './onnx-graph/tiny-graphs.js';

/** Settings of a photo encoder that is a graph. */
export interface OnnxImageConfig extends GraphConfig {
  /** Where the graph has the channels of pixels and of maps. */
  readonly channels: 'first' | 'last';
  /** Height and width of what it takes; null where they are free. */
  readonly size: readonly [height: number | null, width: number | null];
}

const matches = (checkpoint: Checkpoint): boolean =>
  holdsGraph(checkpoint) && checkpoint.names?.includes('preprocessor_config.json') === true;

const fixedSize = (size: OnnxFileSize | undefined): number | null => (typeof size === 'number' ? size : null);

/** Sizes of the graph's input, by which axis has three. */
function pixelSizes({ onnx: { inputs } }: ReadGraph): Pick<OnnxImageConfig, 'channels' | 'size'> {
  const [, second, third, last] = inputs.find(({ shape }) => shape?.length === 4)?.shape ?? [];
  return last === 3 && second !== 3
    ? { channels: 'last', size: [fixedSize(second), fixedSize(third)] }
    : { channels: 'first', size: [fixedSize(third), fixedSize(last)] };
}

/** The token of a vision transformer that stands for the picture is the first; of places, the mean. */
const usualPooling = { pooled: null, sequence: 'cls', map: 'mean' } as const;
const poolings: Readonly<Record<string, readonly PoolingMode[]>> = { sequence: ['cls', 'mean', 'max'], map: ['mean', 'max'] };

async function parse(checkpoint: Checkpoint, settings: JsonObject = {}): Promise<OnnxImageConfig> {
  const graph = await readGraph(checkpoint, settings);
  const pixels = pixelSizes(graph);
  const facts = graphFacts(
    graph,
    settings,
    checkpoint.config,
    { pixel_values: 'pixels' },
    { names: ['image_embeds', 'pooler_output', 'last_hidden_state'], kinds: ['pooled', 'sequence', 'map'], channels: pixels.channels },
  );
  return { ...facts, ...pixels, pooling: usualPooling[facts.kind], normalize: false };
}

const outputShape = ({ kind, features }: OnnxImageConfig): (number | null)[] =>
  kind === 'map' ? [null, null, features] : kind === 'sequence' ? [null, features] : [features];

/** One vector for a photo. */
function pool(chain: LayerChain, config: OnnxImageConfig, output: SymbolicTensor): SymbolicTensor {
  const mode = poolingOf(config, poolings[config.kind] ?? []);
  if (mode === null) return output;
  return config.kind === 'map'
    ? chain.apply(new GlobalPooling({ name: 'pooling', mode: mode === 'max' ? 'maximum' : 'average' }), output)
    : chain.apply(new TokenPooling({ name: 'pooling', mode }), output);
}

function build(config: OnnxImageConfig): BuiltBackbone {
  const pixels = inputLayer({ shape: [...config.size, 3], name: 'pixels' });
  const chain = new LayerChain();
  const output = chain.apply(new FrozenGraph({ name: 'graph', outputShape: outputShape(config) }), pixels);
  let pooled = pool(chain, config, output);
  if (config.normalize) pooled = chain.apply(new UnitLength({ name: 'unit-length' }), pooled);
  return {
    model: makeModel({ inputs: pixels, outputs: pooled, name: 'onnx-image' }),
    groups: [{ name: 'graph', layers: chain.layers, fixed: { parameters: config.parameters } }],
    features: config.kind === 'map' ? { pooled, map: output } : { pooled },
  };
}

const noRecipe = (origin: string): TransferKitError =>
  new TransferKitError(
    'not-found',
    `"${origin}" does not say how photos are prepared: there is no preprocessor_config.json beside the graph.\n` +
      '  Fix: put one there, as transformers writes it: { "size": { "height": 224, "width": 224 }, "image_mean": [...], "image_std": [...] }.',
    { details: { origin } },
  );

/** As `preprocessor_config.json` says, which must give what the graph takes. */
async function input({ size, file }: OnnxImageConfig, checkpoint: Checkpoint): Promise<ImageRecipe> {
  const { origin } = checkpoint;
  const bytes = await checkpoint.file('preprocessor_config.json');
  if (bytes === undefined) throw noRecipe(origin);
  const recipe = imageRecipeFromHuggingFace(parseJsonObject(bytes, 'preprocessor_config.json', 'bad-config'), origin);
  const given = recipeSize(recipe);
  if (size.every((side, axis) => side === null || side === given[axis])) return recipe;
  throw badGraph(
    `preprocessor_config.json of "${origin}" does not fit "${file}"`,
    `pixels of [${size.map((side) => side ?? 'any').join(', ')}]`,
    `[${given.map((side) => side ?? 'any').join(', ')}]`,
    'use the files that were published together.',
  );
}

/** Photos are [batch, height, width, channels] here, and so are maps. */
function attach(built: BuiltBackbone, config: OnnxImageConfig, context: AttachContext) {
  if (config.channels === 'last') return attachGraph(built, config, context);
  return attachGraph(built, config, context, { enter: channelsFirst, ...(config.kind === 'map' ? { leave: channelsLast } : {}) });
}

const tinyConfig: OnnxImageConfig = {
  file: savedGraph,
  sha256: null,
  inputs: [{ name: 'pixel_values', type: 'float32', takes: 'pixels' }],
  output: 'last_hidden_state',
  kind: 'map',
  features: 24,
  parameters: 24 * 48,
  oneByOne: false,
  pooling: 'mean',
  normalize: false,
  channels: 'first',
  size: [null, null],
};

const tinyRecipe: ImageRecipe = {
  kind: 'image',
  resize: { mode: 'stretch', height: 32, width: 32, interpolation: 'bilinear', antialias: true },
  crop: null,
  scale: 1 / 127.5,
  mean: [1, 1, 1],
  std: [1, 1, 1],
  channelOrder: 'rgb',
};

/**
 * Any photo encoder that is published as an ONNX graph, as repositories for transformers.js are: it runs on ONNX Runtime and carries a
 * head, and is not trained itself. Photos are prepared as `preprocessor_config.json` says.
 *
 * Settings: `variant` (`'quantized'`, `'fp16'`, ...) or `file` choose the graph, `output` any tensor in it: a classifier serves too, cut
 * in front of its last layer. Of tokens the first stands for the photo, or what `config: { pooling: 'mean' }` says. Features: `pooled`
 * float32 [batch, features], and `map` [batch, height, width, features] where the graph gives one. One group, `graph`.
 *
 * @source names of files, inputs and outputs: transformers.js
 * @example
 * ```ts
 * import { loadPretrained } from 'transferkit';
 * import { onnxImage } from 'transferkit/backbones/onnx-image';
 *
 * const base = await loadPretrained({ backbone: onnxImage, source: 'hf://Xenova/dinov2-small' });
 * console.log(base.describe());
 * ```
 */
export const onnxImage = defineBackbone<OnnxImageConfig, 'image'>({
  apiVersion: 1,
  name: 'onnx-image',
  modality: 'image',
  matches,
  parse,
  build,
  weights: graphWeights,
  attach,
  input,
  processor: imageProcessor,
  tiny: { config: tinyConfig, input: tinyRecipe, files: { [savedGraph]: tinyImageGraph(24) } },
});
