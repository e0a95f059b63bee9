import { input as inputLayer, layers, model as makeModel } from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { ConfigFields } from '../common/config-fields.js';
import { TransferKitError } from '../errors.js';
import { readSentenceSettings } from '../inputs/sentence-transformers.js';
import { defaultMaxCharacters, textProcessor } from '../inputs/text.js';
import type { TextRecipe } from '../inputs/text.js';
import type { JsonObject } from '../common/json.js';
import { LayerChain } from '../layers/layer-chain.js';
import { seededInitializerByName } from '../layers/seeded-uniform.js';
import { TokenMapping } from '../layers/token-mapping.js';
import { TokenPooling } from '../layers/token-pooling.js';
import { TokenWeights } from '../layers/token-weights.js';
import { UnitLength } from '../layers/unit-length.js';
import type { Checkpoint } from '../sources/source.js';
import type { WeightTable } from '../weights/fill-model.js';
import { parseJsonObject } from '../weights/read-json.js';
import { defineBackbone } from './backbone.js';
import type { BuiltBackbone } from './backbone.js';

/** Settings of a table of token vectors. */
export interface StaticEmbeddingConfig extends JsonObject {
  /** Number of token ids. */
  readonly vocabularySize: number;
  /** Rows of the table; fewer than token ids where tokens share rows. */
  readonly rows: number;
  readonly dimensions: number;
  /** Whether each token's vector is multiplied by a weight of its own. */
  readonly tokenWeights: boolean;
  /** Whether a mapping says which row a token has. */
  readonly mapping: boolean;
  /** Whether the mean is scaled to length 1. */
  readonly normalize: boolean;
  /** Whether tokens that the vocabulary lacks are left out. */
  readonly dropUnknown: boolean;
  /** Most tokens of a text. */
  readonly maxLength: number;
}

/** The table's names in the layouts that are published. */
const tableNames = ['embeddings', 'embedding.weight'];

const tableOf = (names: { has(name: string): boolean }): string | undefined => tableNames.find((name) => names.has(name));

/** Fields of a Model2Vec config that do not change the numbers: how the table came to be, and bookkeeping. */
const irrelevantFields: readonly string[] = [
  'apply_pca',
  'apply_zipf',
  'base_model_name',
  'embedding_dtype',
  'hidden_dim',
  'language',
  'model_type',
  'pca_dims',
  'pooling',
  'seq_length',
  'sif_coefficient',
  'token_remove_pattern',
  'tokenizer_name',
  'vocabulary_quantization',
];

/** Most tokens of a text, the reference's own habit. */
const model2vecLength = 512;

/** The sentence-transformers layout cuts no text; this keeps a batch within memory. */
const longestText = 32_768;

function matches(checkpoint: Checkpoint): boolean {
  const type = checkpoint.config['model_type'];
  const name = tableOf(checkpoint.tensors);
  const flat = name !== undefined && checkpoint.tensors.get(name)!.shape.length === 2;
  return flat && checkpoint.tensors.size <= 3 && (type === undefined || type === 'model2vec');
}

/** The size of a tensor with one axis, if the checkpoint has it. */
function lengthOf(checkpoint: Checkpoint, name: string): number | undefined {
  const shape = checkpoint.tensors.get(name)?.shape;
  if (shape === undefined || shape.length === 1) return shape?.[0];
  throw new TransferKitError(
    'weight-mismatch',
    `"${name}" of "${checkpoint.origin}" has the shape [${shape.join(', ')}]: expected one axis, one number a token.\n  Fix: export the checkpoint again with model2vec.`,
  );
}

/** One row of the table a token, unless a mapping says otherwise; one weight a token. */
function tableSizes(checkpoint: Checkpoint) {
  const [rows, dimensions] = checkpoint.tensors.get(tableOf(checkpoint.tensors)!)!.shape as [number, number];
  const mapped = lengthOf(checkpoint, 'mapping');
  const weighted = lengthOf(checkpoint, 'weights');
  const vocabularySize = mapped ?? rows;
  if (weighted !== undefined && weighted !== vocabularySize) {
    throw new TransferKitError(
      'weight-mismatch',
      `"weights" of "${checkpoint.origin}" has ${weighted} numbers: expected ${vocabularySize}, one a token.\n  Fix: export the checkpoint again with model2vec.`,
    );
  }
  return { vocabularySize, rows, dimensions, tokenWeights: weighted !== undefined, mapping: mapped !== undefined };
}

/** A row that does not exist would be read from memory that belongs to something else. */
async function checkMapping(checkpoint: Checkpoint): Promise<void> {
  if (!checkpoint.tensors.has('mapping')) return;
  const { rows } = tableSizes(checkpoint);
  const wrong = (await checkpoint.tensor('mapping')).values.find((row) => !(row >= 0 && row < rows));
  if (wrong === undefined) return;
  throw new TransferKitError(
    'corrupt-file',
    `"mapping" of "${checkpoint.origin}" sends a token to row ${wrong}: expected rows 0 to ${rows - 1}.\n  Fix: download the checkpoint again, or export it again with model2vec.`,
    { details: { row: wrong, rows } },
  );
}

async function parse(checkpoint: Checkpoint): Promise<StaticEmbeddingConfig> {
  const fields = new ConfigFields(checkpoint.config, `static-embedding config of "${checkpoint.origin}"`);
  const told = fields.boolean('normalize', false);
  fields.irrelevant(...irrelevantFields);
  fields.finish();
  await checkMapping(checkpoint);
  const sentence = await readSentenceSettings((path) => checkpoint.file(path));
  // Model2Vec leaves out unknown tokens and cuts long texts; sentence-transformers, whose table has the other name, does neither.
  const model2vec = tableOf(checkpoint.tensors) === 'embeddings';
  const normalize = checkpoint.config['normalize'] === undefined ? (sentence?.normalize ?? false) : told;
  return {
    ...tableSizes(checkpoint),
    normalize,
    dropUnknown: model2vec,
    maxLength: sentence?.maxLength ?? (model2vec ? model2vecLength : longestText),
  };
}

/** The vector of each token: float32 [batch, tokens, dimensions]. */
function lookUp(chain: LayerChain, config: StaticEmbeddingConfig, ids: SymbolicTensor): SymbolicTensor {
  const mapped = config.mapping ? chain.apply(new TokenMapping({ name: 'embeddings/mapping', tokens: config.vocabularySize }), ids) : ids;
  const name = 'embeddings/table';
  const table = layers.embedding({
    name,
    inputDim: config.rows,
    outputDim: config.dimensions,
    embeddingsInitializer: seededInitializerByName(0.1, name),
  });
  const vectors = chain.apply(table, mapped);
  if (!config.tokenWeights) return vectors;
  return chain.apply(new TokenWeights({ name: 'embeddings/token', tokens: config.vocabularySize }), [vectors, ids]);
}

function build(config: StaticEmbeddingConfig): BuiltBackbone {
  const [ids, mask] = ['ids', 'mask'].map((name) => inputLayer({ shape: [null], dtype: 'int32', name })) as [
    SymbolicTensor,
    SymbolicTensor,
  ];
  const chain = new LayerChain();
  const sequence = lookUp(chain, config, ids);
  let pooled = chain.apply(new TokenPooling({ name: 'embeddings/pooling', mode: 'mean' }), [sequence, mask]);
  if (config.normalize) pooled = chain.apply(new UnitLength({ name: 'embeddings/unit-length' }), pooled);
  const model = makeModel({ inputs: [ids, mask], outputs: [pooled, sequence], name: 'static-embedding' });
  return { model, groups: [{ name: 'embeddings', layers: chain.layers }], features: { pooled, sequence, mask } };
}

const layout = (table: string): WeightTable<StaticEmbeddingConfig> => ({
  detect: (names) => names.has(table),
  rows: (config) => [
    ['embeddings/table/embeddings', table, 'copy'],
    ...(config.tokenWeights ? ([['embeddings/token/weights', 'weights', 'copy']] as const) : []),
    ...(config.mapping ? ([['embeddings/mapping/rows', 'mapping', 'copy']] as const) : []),
  ],
  ignore: [],
});

/** Every token of a tokenizer: those of its model, a table or a list of pairs, and those that were added. */
function tokensOf(tokenizer: JsonObject): Set<string> {
  const vocabulary = (tokenizer['model'] as JsonObject | undefined)?.['vocab'] ?? {};
  const own = Array.isArray(vocabulary)
    ? vocabulary.map((entry: unknown) => String((entry as readonly unknown[])[0]))
    : Object.keys(vocabulary);
  const added = (tokenizer['added_tokens'] ?? []) as readonly JsonObject[];
  return new Set([...own, ...added.map((token) => (typeof token['content'] === 'string' ? token['content'] : ''))]);
}

/** The median length of a token in characters, rounded down. */
function medianTokenLength(tokenizer: JsonObject): number {
  const lengths = Uint32Array.from(tokensOf(tokenizer), (token) => Array.from(token).length).sort();
  const middle = lengths.length >> 1;
  return lengths.length % 2 === 1 ? lengths[middle]! : Math.floor(((lengths[middle - 1] ?? 0) + (lengths[middle] ?? 0)) / 2);
}

const recipe = (config: StaticEmbeddingConfig): TextRecipe => ({
  kind: 'text',
  maxLength: config.maxLength,
  addSpecialTokens: false,
  arrays: ['ids', 'mask'],
  padId: 0,
  vocabularySize: config.vocabularySize,
  lowerCase: false,
  dropUnknown: config.dropUnknown,
  maxCharacters: defaultMaxCharacters,
});

/** Model2Vec cuts a text to its longest length times the median token's characters before the tokenizer sees it. */
async function input(config: StaticEmbeddingConfig, checkpoint: Checkpoint): Promise<TextRecipe> {
  const bytes = config.dropUnknown ? await checkpoint.file('tokenizer.json') : undefined;
  if (bytes === undefined) return recipe(config);
  return { ...recipe(config), cutCharacters: config.maxLength * medianTokenLength(parseJsonObject(bytes, 'tokenizer.json')) };
}

// prettier-ignore
const tinyTokens = [
  '[PAD]', '[UNK]', '[CLS]', '[SEP]', '.', ',', '!', '?', "'", '-',
  'the', 'a', 'red', 'blue', 'rose', 'sky', 'good', 'bad', 'film', 'train', 'late', 'is', 'was', 'not', 'very', 'in', 'of', 'and', 'to', 'it',
  'one', 'two', 'three', 'cat', 'dog', 'run', 'sing', '##s', '##ing', '##ed', '##er', '##ly', '##a', '##e', '##i', '##o', '##t', '##n', '##r', '##l',
];

const tinyConfig: StaticEmbeddingConfig = {
  vocabularySize: tinyTokens.length,
  rows: tinyTokens.length,
  dimensions: 16,
  tokenWeights: false,
  mapping: false,
  normalize: true,
  dropUnknown: true,
  maxLength: 64,
};

/** Eight texts to learn by heart. */
// prettier-ignore
const tinySamples = [
  'the red rose', 'a blue sky', 'the film was good', 'the film was bad', 'a late train', 'one cat and two dogs', 'it is very late', 'singing in the train',
];

/**
 * A table of token vectors whose mean is the text's vector, as Model2Vec and sentence-transformers' StaticEmbedding make
 * them: no attention, so it encodes and trains in a fraction of a transformer's time. Word order is lost.
 *
 * Inputs: ids, mask, each int32 [batch, tokens]. Features: `pooled` float32 [batch, dimensions], `sequence` float32
 * [batch, tokens, dimensions], `mask` int32 [batch, tokens]. One group, `embeddings`. A text without a known token is all zeros.
 *
 * @source https://github.com/MinishLab/model2vec
 */
export const staticEmbedding = defineBackbone<StaticEmbeddingConfig, 'text'>({
  apiVersion: 1,
  name: 'static-embedding',
  modality: 'text',
  matches,
  parse,
  build,
  weights: { model2vec: layout('embeddings'), 'sentence-transformers': layout('embedding.weight') },
  input,
  processor: textProcessor,
  fineTuningRate: 1e-3,
  tiny: { config: tinyConfig, input: recipe(tinyConfig), files: { 'vocab.txt': tinyTokens.join('\n') }, samples: tinySamples },
});
