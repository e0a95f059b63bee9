import { input as inputLayer, model as makeModel } from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { JsonObject } from '../common/json.js';
import { readSentenceSettings, type SentenceSettings } from '../inputs/sentence-transformers.js';
import { defaultMaxCharacters, textProcessor } from '../inputs/text.js';
import type { TextArray, TextRecipe } from '../inputs/text.js';
import { FrozenGraph } from '../layers/frozen-graph.js';
import { LayerChain } from '../layers/layer-chain.js';
import { TokenPooling } from '../layers/token-pooling.js';
import { UnitLength } from '../layers/unit-length.js';
import type { Checkpoint } from '../sources/source.js';
import { parseJsonObject } from '../weights/read-json.js';
import { defineBackbone } from './backbone.js';
import type { BuiltBackbone } from './backbone.js';
import { attachGraph, savedGraph } from './onnx-graph/attach-graph.js';
import { badGraph, poolingOf, type GraphConfig } from './onnx-graph/graph-config.js';
import { holdsGraph } from './onnx-graph/graph-file.js';
import type { OutputHabits } from './onnx-graph/graph-output.js';
import { graphFacts, readGraph, type ReadGraph } from './onnx-graph/read-graph.js';
import { graphWeights } from './onnx-graph/graph-weights.js';
import { tinyTextGraph } from './onnx-graph/tiny-graphs.js';

/** Settings of a text encoder that is a graph. */
export interface OnnxTextConfig extends GraphConfig {
  /** Most tokens of a text. */
  readonly maxLength: number;
  readonly padId: number;
  /** Rows of the token table. */
  readonly vocabularySize: number;
  /** Whether texts are lower-cased before the tokenizer. */
  readonly lowerCase: boolean;
}

const roles = { input_ids: 'ids', attention_mask: 'mask', token_type_ids: 'typeIds' } as const;

const habits: OutputHabits = {
  names: ['sentence_embedding', 'text_embeds', 'last_hidden_state'],
  kinds: ['pooled', 'sequence'],
  channels: 'last',
};

/** Most tokens where neither tokenizer nor config say. */
const usualLength = 512;

/** Where no table can be found in the graph, ONNX Runtime itself refuses tokens beyond it. */
const anyToken = 2 ** 31 - 1;

function matches(checkpoint: Checkpoint): boolean {
  return holdsGraph(checkpoint) && checkpoint.names?.includes('tokenizer.json') === true;
}

/** Rows of the table that token ids are looked up in. */
function tableRows({ onnx }: ReadGraph, ids: string): number | undefined {
  const table = onnx.nodes.find(({ operator, inputs }) => operator === 'Gather' && inputs[1] === ids)?.inputs[0];
  return onnx.initializers.get(table ?? '')?.shape[0];
}

/** @throws TransferKitError `bad-config` for a graph whose texts must all have one length: padding would change their numbers */
function checkLength({ where, onnx }: ReadGraph): void {
  const fixed = onnx.inputs.find(({ shape }) => typeof shape?.[1] === 'number');
  if (fixed === undefined) return;
  const fix = 'export the graph with a free sequence axis.';
  throw badGraph(
    `${where} takes texts of one length only`,
    'texts of any length',
    `${String(fixed.shape![1])} tokens for "${fixed.name}"`,
    fix,
  );
}

const isLength = (value: unknown): value is number => typeof value === 'number' && value >= 4;

/** Most tokens of a text, as tokenizer and network say. */
async function longestText(checkpoint: Checkpoint, sentence: SentenceSettings | undefined): Promise<number> {
  const tokenizer = await checkpoint.file('tokenizer_config.json');
  const habit = sentence?.maxLength ?? (tokenizer && parseJsonObject(tokenizer, 'tokenizer_config.json')['model_max_length']);
  // Some tokenizers say 1e30 for "no limit".
  const lengths = [habit, checkpoint.config['max_position_embeddings']].filter(isLength).filter((length) => length < 1e9);
  return lengths.length > 0 ? Math.floor(Math.min(...lengths)) : usualLength;
}

const count = (value: unknown, fallback: number): number => (typeof value === 'number' ? value : fallback);

async function parse(checkpoint: Checkpoint, settings: JsonObject = {}): Promise<OnnxTextConfig> {
  const { config: published } = checkpoint;
  const graph = await readGraph(checkpoint, settings);
  const facts = graphFacts(graph, settings, published, roles, habits);
  checkLength(graph);
  const sentence = await readSentenceSettings((path) => checkpoint.file(path));
  const ids = facts.inputs.find(({ takes }) => takes === 'ids')?.name ?? '';
  const isSequence = facts.kind === 'sequence';
  return {
    ...facts,
    pooling: isSequence ? (sentence?.pooling ?? 'mean') : null,
    // A vector that the graph itself pooled is as its makers wanted it.
    normalize: isSequence && (sentence?.normalize ?? false),
    maxLength: await longestText(checkpoint, sentence),
    padId: count(published['pad_token_id'], 0),
    vocabularySize: tableRows(graph, ids) ?? count(published['vocab_size'], anyToken),
    lowerCase: sentence?.lowerCase ?? false,
  };
}

const arrayNames: readonly TextArray[] = ['ids', 'mask', 'typeIds'];

/** What the graph takes, and the mask where tokens are pooled behind it. */
const arraysOf = ({ inputs, pooling }: OnnxTextConfig): TextArray[] =>
  arrayNames.filter((name) => inputs.some(({ takes }) => takes === name) || (name === 'mask' && pooling !== null));

function build(config: OnnxTextConfig): BuiltBackbone {
  const { inputs, features, parameters } = config;
  const pooling = poolingOf(config, ['mean', 'cls', 'max']);
  const tensors = new Map(arraysOf(config).map((name) => [name as string, inputLayer({ shape: [null], dtype: 'int32', name })]));
  const chain = new LayerChain();
  const graph = new FrozenGraph({ name: 'graph', outputShape: pooling === null ? [features] : [null, features] });
  const output = chain.apply(
    graph,
    inputs.map(({ takes }) => tensors.get(takes)!),
  );
  const mask = tensors.get('mask');
  let pooled: SymbolicTensor = output;
  if (pooling !== null) pooled = chain.apply(new TokenPooling({ name: 'pooling', mode: pooling }), [output, mask!]);
  if (config.normalize) pooled = chain.apply(new UnitLength({ name: 'unit-length' }), pooled);
  return {
    model: makeModel({ inputs: [...tensors.values()], outputs: pooling === null ? pooled : [pooled, output], name: 'onnx-text' }),
    groups: [{ name: 'graph', layers: chain.layers, fixed: { parameters } }],
    features: pooling === null ? { pooled } : { pooled, sequence: output, mask: mask! },
  };
}

const recipe = (config: OnnxTextConfig): TextRecipe => ({
  kind: 'text',
  maxLength: config.maxLength,
  addSpecialTokens: true,
  arrays: arraysOf(config),
  padId: config.padId,
  vocabularySize: config.vocabularySize,
  lowerCase: config.lowerCase,
  dropUnknown: false,
  maxCharacters: defaultMaxCharacters,
});

// prettier-ignore
const tinyTokens = [
  '[PAD]', '[UNK]', '[CLS]', '[SEP]', 'open', 'close', 'the', 'door', 'window', 'light', 'is', 'on', 'off', 'too', 'loud', 'quiet',
  'please', 'now', 'music', 'play', 'stop', 'warm', 'cold', 'room', '##s', '##er',
];

const tinyFeatures = 16;

const tinyConfig: OnnxTextConfig = {
  file: savedGraph,
  sha256: null,
  inputs: ['input_ids', 'attention_mask'].map((name) => ({ name, type: 'int64', takes: name === 'input_ids' ? 'ids' : 'mask' })),
  output: 'last_hidden_state',
  kind: 'sequence',
  features: tinyFeatures,
  parameters: tinyTokens.length * tinyFeatures + tinyFeatures ** 2,
  oneByOne: false,
  pooling: 'mean',
  normalize: false,
  maxLength: 32,
  padId: 0,
  vocabularySize: tinyTokens.length,
  lowerCase: true,
};

// prettier-ignore
const tinySamples = [
  'open the window', 'close the door', 'the light is on', 'the light is off', 'play music please', 'stop the music', 'the room is too warm', 'now it is cold',
];

/**
 * Any text encoder that is published as an ONNX graph, as repositories for transformers.js are: it runs on ONNX Runtime and carries a
 * head, and is not trained itself. Sentence-transformers' pooling and normalisation are honoured; without them the tokens' mean is
 * taken, or what `config: { pooling: 'cls' }` says.
 *
 * Settings: `variant` (`'quantized'`, `'fp16'`, ...) or `file` choose the graph, `output` any tensor in it. Features: `pooled` float32
 * [batch, features]; where the graph gives a vector for each token also `sequence` float32 [batch, tokens, features] and `mask`.
 * One group, `graph`.
 *
 * @source names of files, inputs and outputs: transformers.js
 * @example
 * ```ts
 * import { loadPretrained } from 'transferkit';
 * import { onnxText } from 'transferkit/backbones/onnx-text';
 *
 * const source = 'hf://Xenova/multilingual-e5-small';
 * const base = await loadPretrained({ backbone: onnxText, source, config: { variant: 'quantized' } });
 * console.log(base.describe());
 * ```
 */
export const onnxText = defineBackbone<OnnxTextConfig, 'text'>({
  apiVersion: 1,
  name: 'onnx-text',
  modality: 'text',
  matches,
  parse,
  build,
  weights: graphWeights,
  attach: (built, config, context) => attachGraph(built, config, context),
  input: recipe,
  processor: textProcessor,
  tiny: {
    config: tinyConfig,
    input: recipe(tinyConfig),
    files: { 'vocab.txt': tinyTokens.join('\n'), [savedGraph]: tinyTextGraph(tinyTokens.length, tinyFeatures) },
    samples: tinySamples,
  },
});
