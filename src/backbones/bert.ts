import { input as inputLayer, layers, model as makeModel } from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { ConfigFields } from '../common/config-fields.js';
import { TransferKitError } from '../errors.js';
import { readSentenceSettings } from '../inputs/sentence-transformers.js';
import { defaultMaxCharacters, textProcessor } from '../inputs/text.js';
import type { TextRecipe } from '../inputs/text.js';
import type { JsonObject } from '../common/json.js';
import { activationNames } from '../layers/activation.js';
import { Dropout } from '../layers/dropout.js';
import { LayerChain } from '../layers/layer-chain.js';
import { LayerNormalization } from '../layers/layer-normalization.js';
import { PositionEmbedding } from '../layers/position-embedding.js';
import { seededInitializerByName } from '../layers/seeded-uniform.js';
import { TokenPooling } from '../layers/token-pooling.js';
import { projection, transformerLayer } from '../layers/transformer-layer.js';
import { UnitLength } from '../layers/unit-length.js';
import type { Checkpoint } from '../sources/source.js';
import type { WeightRow, WeightTable } from '../weights/fill-model.js';
import { parseJsonObject } from '../weights/read-json.js';
import { defineBackbone } from './backbone.js';
import type { BuiltBackbone, LayerGroup } from './backbone.js';

/** Settings of a BERT. */
export interface BertConfig extends JsonObject {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediateSize: number;
  /** One of `activationNames`. */
  readonly activation: string;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  /** Most tokens of a text. */
  readonly positions: number;
  readonly tokenTypes: number;
  readonly epsilon: number;
  readonly padId: number;
  /** How tokens become one vector: their mean, the first, the largest values, or the checkpoint's trained pooler over the first. */
  readonly pooling: 'mean' | 'cls' | 'max' | 'pooler';
  /** Whether the pooled vector is scaled to length 1. */
  readonly normalize: boolean;
  /** Most tokens that the checkpoint's own settings ask for; at most `positions`. */
  readonly maxLength: number;
  /** Whether texts are lower-cased before the tokenizer. */
  readonly lowerCase: boolean;
}

/** Fields of a published config that say nothing about the backbone's numbers: heads, training, generation, bookkeeping. */
// prettier-ignore
const irrelevantFields: readonly string[] = [
  'attn_implementation', 'begin_suppress_tokens', 'bad_words_ids', 'bos_token_id', 'classifier_dropout', 'cls_token_id',
  'decoder_start_token_id', 'directionality', 'diversity_penalty', 'do_sample', 'dtype', 'early_stopping',
  'encoder_no_repeat_ngram_size', 'eos_token_id', 'exponential_decay_length_penalty', 'finetuning_task', 'forced_bos_token_id',
  'forced_eos_token_id', 'gradient_checkpointing', 'id2label', 'initializer_factor', 'initializer_range', 'label2id', 'language',
  'length_penalty', 'license', 'mask_token_id', 'max_length', 'min_length', 'model_max_length', 'name', 'no_repeat_ngram_size',
  'num_beam_groups', 'num_beams', '_num_labels', 'num_return_sequences', 'output_attentions', 'output_hidden_states', 'output_past',
  'output_scores', 'pooler_fc_size', 'pooler_num_attention_heads', 'pooler_num_fc_layers', 'pooler_size_per_head', 'pooler_type',
  'prefix', 'problem_type', 'remove_invalid_values', 'repetition_penalty', 'return_dict', 'return_dict_in_generate',
  'sbert_ce_default_activation_function', 'sentence_transformers', 'sep_token_id', 'suppress_tokens', 'task_specific_params',
  'temperature', 'tf_legacy_loss', 'tie_encoder_decoder', 'tie_word_embeddings', 'tokenizer_class', 'tokens_per_second', 'top_k',
  'top_p', 'torch_dtype', 'torchscript', 'transformers_version', 'typical_p', 'use_bfloat16', 'use_cache', 'vocab_file', 'xla_device',
  // The result does not depend on it: it trades memory for time in the feed-forward part.
  'chunk_size_feed_forward',
];

/** Most weights that a config may ask for: 6 GB as float32. */
const mostWeights = 1.5e9;

const wordEmbeddings = 'embeddings.word_embeddings.weight';

function matches(checkpoint: Checkpoint): boolean {
  const type = checkpoint.config['model_type'];
  if (typeof type === 'string') return type === 'bert';
  const architectures = checkpoint.config['architectures'];
  if (Array.isArray(architectures)) return architectures.some((name) => /^Bert[A-Z]/.test(String(name)));
  const names = [...checkpoint.tensors.keys()];
  const has = (ending: string): boolean => names.some((name) => name.endsWith(ending));
  return has(wordEmbeddings) && has('embeddings.token_type_embeddings.weight') && has('encoder.layer.0.attention.self.query.weight');
}

/** A whole number from 1 on; without a fallback the field is required. */
function size(fields: ConfigFields, name: string, atMost: number, fallback = NaN): number {
  const value = fields.number(name, fallback, { above: 0, atMost });
  if (Number.isInteger(value)) return value;
  throw fields.error(name, 'a whole number', value);
}

/** The network's sizes and habits, as `config.json` says. */
function parseNetwork(fields: ConfigFields) {
  const hiddenSize = size(fields, 'hidden_size', 65_536);
  const heads = size(fields, 'num_attention_heads', 1024);
  if (hiddenSize % heads !== 0) throw fields.error('num_attention_heads', `a divisor of hidden_size, which is ${hiddenSize}`, heads);
  const sizes = {
    vocabularySize: size(fields, 'vocab_size', 8_000_000),
    hiddenSize,
    layers: size(fields, 'num_hidden_layers', 512),
    heads,
  };
  const intermediateSize = size(fields, 'intermediate_size', 262_144);
  const positions = size(fields, 'max_position_embeddings', 1_048_576, 512);
  const weights = (sizes.vocabularySize + positions) * hiddenSize + sizes.layers * hiddenSize * (4 * hiddenSize + 2 * intermediateSize);
  if (weights > mostWeights)
    throw fields.error('hidden_size', `sizes that add up to at most ${mostWeights} weights; these add up to ${weights}`, hiddenSize);
  return {
    ...sizes,
    intermediateSize,
    positions,
    activation: fields.oneOf('hidden_act', ['gelu', ...activationNames]),
    hiddenDropout: fields.number('hidden_dropout_prob', 0.1, { above: -1e-9, atMost: 0.99 }),
    attentionDropout: fields.number('attention_probs_dropout_prob', 0.1, { above: -1e-9, atMost: 0.99 }),
    tokenTypes: size(fields, 'type_vocab_size', 65_536, 2),
    epsilon: fields.number('layer_norm_eps', 1e-12, { above: 0, atMost: 1 }),
    padId: fields.number('pad_token_id', 0, { above: -1, atMost: sizes.vocabularySize - 1 }),
  };
}

/** Refuses settings that would change the numbers and that this family does not have. */
function checkHabits(fields: ConfigFields, config: JsonObject): void {
  fields.oneOf('model_type', ['bert']);
  fields.oneOf('position_embedding_type', ['absolute']);
  for (const name of ['is_decoder', 'add_cross_attention', 'is_encoder_decoder']) fields.oneOf(name, [false]);
  for (const name of ['auto_map', 'quantization_config', 'cross_attention_hidden_size']) fields.oneOf(name, [null]);
  const pruned = config['pruned_heads'] ?? {};
  if (Object.keys(pruned).length > 0) throw fields.error('pruned_heads', 'none', pruned);
  fields.irrelevant('pruned_heads', ...irrelevantFields);
  fields.finish();
}

async function parse(checkpoint: Checkpoint): Promise<BertConfig> {
  if (Object.keys(checkpoint.config).length === 0) {
    throw new TransferKitError(
      'bad-config',
      `"${checkpoint.origin}" has the tensors of a BERT and no config.json, or an empty one: expected one, since tensors do not tell the number of attention heads.\n  Fix: add the config.json that was published with the weights.`,
    );
  }
  const fields = new ConfigFields(checkpoint.config, `bert config of "${checkpoint.origin}"`);
  const network = parseNetwork(fields);
  checkHabits(fields, checkpoint.config);
  const sentence = await readSentenceSettings((path) => checkpoint.file(path));
  const tokenizer = await checkpoint.file('tokenizer_config.json');
  const habit = sentence?.maxLength ?? (tokenizer && parseJsonObject(tokenizer, 'tokenizer_config.json')['model_max_length']);
  return {
    ...network,
    pooling: sentence?.pooling ?? 'mean',
    normalize: sentence?.normalize ?? false,
    // Some tokenizers say 1e30 for "no limit".
    maxLength: typeof habit === 'number' && habit >= 4 ? Math.min(Math.floor(habit), network.positions) : network.positions,
    lowerCase: sentence?.lowerCase ?? false,
  };
}

/** Sum of the word, token type and position vectors, normalised: float32 [batch, tokens, hiddenSize]. */
function embed(chain: LayerChain, config: BertConfig, ids: SymbolicTensor, typeIds: SymbolicTensor): SymbolicTensor {
  const table = (name: string, rows: number): layers.Layer =>
    layers.embedding({ name, inputDim: rows, outputDim: config.hiddenSize, embeddingsInitializer: seededInitializerByName(0.02, name) });
  const words = chain.apply(table('embeddings/word', config.vocabularySize), ids);
  const types = chain.apply(table('embeddings/type', config.tokenTypes), typeIds);
  const sum = chain.apply(layers.add({ name: 'embeddings/sum' }), [words, types]);
  const placed = chain.apply(new PositionEmbedding({ name: 'embeddings/position', positions: config.positions }), sum);
  const normalised = chain.apply(new LayerNormalization({ name: 'embeddings/normalization', epsilon: config.epsilon }), placed);
  return chain.apply(new Dropout({ name: 'embeddings/dropout', rate: config.hiddenDropout }), normalised);
}

/** One vector for a text. The layers go to the given chain, so that a pooling without weights is no group of its own. */
function pool(chain: LayerChain, config: BertConfig, sequence: SymbolicTensor, mask: SymbolicTensor): SymbolicTensor {
  const mode = config.pooling === 'pooler' ? 'cls' : config.pooling;
  let pooled = chain.apply(new TokenPooling({ name: 'top/pooling', mode }), [sequence, mask]);
  if (config.pooling === 'pooler') pooled = chain.apply(projection('top/pooler', config.hiddenSize, 'tanh'), pooled);
  return config.normalize ? chain.apply(new UnitLength({ name: 'top/unit-length' }), pooled) : pooled;
}

function build(config: BertConfig): BuiltBackbone {
  const [ids, mask, typeIds] = ['ids', 'mask', 'typeIds'].map((name) => inputLayer({ shape: [null], dtype: 'int32', name })) as [
    SymbolicTensor,
    SymbolicTensor,
    SymbolicTensor,
  ];
  const embeddings = new LayerChain();
  let sequence = embed(embeddings, config, ids, typeIds);
  const groups: LayerGroup[] = [{ name: 'embeddings', layers: embeddings.layers }];
  let chain = embeddings;
  for (let index = 1; index <= config.layers; index++) {
    chain = new LayerChain();
    sequence = transformerLayer(chain, `layer-${index}`, config, sequence, mask);
    groups.push({ name: `layer-${index}`, layers: chain.layers });
  }
  if (config.pooling === 'pooler') {
    chain = new LayerChain();
    groups.push({ name: 'top', layers: chain.layers });
  }
  const pooled = pool(chain, config, sequence, mask);
  return {
    model: makeModel({ inputs: [ids, mask, typeIds], outputs: [pooled, sequence], name: 'bert' }),
    groups,
    features: { pooled, sequence, mask },
  };
}

/** Our names of the parts of a layer, and theirs. */
const layerParts: readonly (readonly [ours: string, theirs: string, kind: 'dense' | 'normalization'])[] = [
  ['attention/query', 'attention.self.query', 'dense'],
  ['attention/key', 'attention.self.key', 'dense'],
  ['attention/value', 'attention.self.value', 'dense'],
  ['attention/output', 'attention.output.dense', 'dense'],
  ['attention/normalization', 'attention.output.LayerNorm', 'normalization'],
  ['intermediate', 'intermediate.dense', 'dense'],
  ['output', 'output.dense', 'dense'],
  ['normalization', 'output.LayerNorm', 'normalization'],
];

/** Rows of one part: two tensors each. Checkpoints converted from TensorFlow call the normalisation's `gamma` and `beta`. */
function partRows(ours: string, theirs: string, kind: 'dense' | 'normalization', names: ReadonlySet<string>): WeightRow[] {
  if (kind === 'dense')
    return [
      [`${ours}/kernel`, `${theirs}.weight`, 'linear'],
      [`${ours}/bias`, `${theirs}.bias`, 'copy'],
    ];
  const [scale, shift] = names.has(`${theirs}.gamma`) ? ['gamma', 'beta'] : ['weight', 'bias'];
  return [
    [`${ours}/gamma`, `${theirs}.${scale}`, 'copy'],
    [`${ours}/beta`, `${theirs}.${shift}`, 'copy'],
  ];
}

/** What stands before the names: nothing, `bert.` where a head was saved too, or what a wrapper put there. */
function prefixOf(names: ReadonlySet<string>): string {
  const word = [...names].find((name) => name.endsWith(wordEmbeddings));
  return word?.slice(0, -wordEmbeddings.length) ?? '';
}

function rows(config: BertConfig, names: ReadonlySet<string>): WeightRow[] {
  const prefix = prefixOf(names);
  const table: WeightRow[] = [
    ['embeddings/word/embeddings', `${prefix}${wordEmbeddings}`, 'copy'],
    ['embeddings/type/embeddings', `${prefix}embeddings.token_type_embeddings.weight`, 'copy'],
    ['embeddings/position/embeddings', `${prefix}embeddings.position_embeddings.weight`, 'copy'],
    ...partRows('embeddings/normalization', `${prefix}embeddings.LayerNorm`, 'normalization', names),
  ];
  for (let index = 0; index < config.layers; index++) {
    for (const [ours, theirs, kind] of layerParts)
      table.push(...partRows(`layer-${index + 1}/${ours}`, `${prefix}encoder.layer.${index}.${theirs}`, kind, names));
  }
  if (config.pooling === 'pooler') table.push(...partRows('top/pooler', `${prefix}pooler.dense`, 'dense', names));
  return table;
}

const huggingface: WeightTable<BertConfig> = {
  detect: (names) => [...names].some((name) => name.endsWith(wordEmbeddings)),
  rows,
  ignore: [
    /(^|\.)embeddings\.(position_ids|token_type_ids)$/,
    /(^|\.)pooler\./,
    /^(cls|classifier|qa_outputs|dropout|lm_head|bert\.cls)\./,
  ],
};

/** A vocabulary of 50 tokens for the tiny config. */
// prettier-ignore
const tinyTokens = [
  '[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', '.', ',', '!', '?', "'",
  'the', 'a', 'red', 'blue', 'rose', 'sky', 'good', 'bad', 'film', 'train', 'late', 'is', 'was', 'not', 'very', 'in', 'of', 'and', 'to', 'it',
  'one', 'two', 'three', 'cat', 'dog', 'run', 'sing', '##s', '##ing', '##ed', '##er', '##ly', '##a', '##e', '##i', '##o', '##t', '##n', '##r', '##l',
];

// Random features differ so little that dropout between the layers would drown what eight samples have to teach.
const tinyConfig: BertConfig = {
  vocabularySize: tinyTokens.length,
  hiddenSize: 16,
  layers: 2,
  heads: 2,
  intermediateSize: 32,
  activation: 'gelu',
  hiddenDropout: 0,
  attentionDropout: 0.1,
  positions: 32,
  tokenTypes: 2,
  epsilon: 1e-12,
  padId: 0,
  pooling: 'mean',
  normalize: false,
  maxLength: 32,
  lowerCase: false,
};

const recipe = (config: BertConfig): TextRecipe => ({
  kind: 'text',
  maxLength: config.maxLength,
  addSpecialTokens: true,
  arrays: ['ids', 'mask', 'typeIds'],
  padId: config.padId,
  vocabularySize: config.vocabularySize,
  lowerCase: config.lowerCase,
  dropUnknown: false,
  maxCharacters: defaultMaxCharacters,
});

/** Eight texts to learn by heart. */
// prettier-ignore
const tinySamples = [
  'the red rose', 'a blue sky', 'the film was good', 'the film was bad', 'a late train', 'one cat and two dogs', 'it is very late', 'singing in the train',
];

/**
 * BERT in all sizes, so MiniLM, BGE, E5 and the small BERTs too; sentence-transformers' pooling, normalisation and length are
 * honoured. Without them the tokens' mean is taken: for transfer it serves better than the first token of a network that was
 * only trained to fill gaps.
 *
 * Inputs: ids, mask, typeIds, each int32 [batch, tokens]. Features: `pooled` float32 [batch, hiddenSize], `sequence` float32
 * [batch, tokens, hiddenSize], `mask` int32 [batch, tokens]. Groups: `embeddings`, `layer-1` and so on, and `top` where
 * the trained pooler is used.
 *
 * @source Devlin et al. 2018, https://arxiv.org/abs/1810.04805
 */
export const bert = defineBackbone<BertConfig, 'text'>({
  apiVersion: 1,
  name: 'bert',
  modality: 'text',
  matches,
  parse,
  build,
  weights: { huggingface },
  input: recipe,
  processor: textProcessor,
  transformersType: { modelType: 'bert', className: 'Bert' },
  learnsByDefault: 'base',
  // 5e-5 suits 12 layers of width 768. Adam's best rate falls as one over the width, and with the root of the depth.
  fineTuningRate: ({ hiddenSize, layers: depth }) => 5e-5 * (768 / hiddenSize) * Math.sqrt(12 / depth),
  tiny: { config: tinyConfig, input: recipe(tinyConfig), files: { 'vocab.txt': tinyTokens.join('\n') }, samples: tinySamples },
});
