import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { bert } from '../../src/backbones/bert.js';
import type { BertConfig } from '../../src/backbones/bert.js';
import { staticEmbedding } from '../../src/backbones/static-embedding.js';
import type { TextRecipe } from '../../src/inputs/text.js';
import { collateInputs } from '../../src/inference/run-examples.js';
import type { JsonObject } from '../../src/common/json.js';
import { namedWeights } from '../../src/layers/named-weights.js';
import { runGraph } from '../../src/layers/run-graph.js';
import type { Checkpoint } from '../../src/sources/source.js';
import { fillModel } from '../../src/weights/fill-model.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { expectError } from '../weights/expect-error.js';

beforeAll(() => tf.setBackend('cpu'));

type Files = Readonly<Record<string, string | object>>;

function checkpoint(
  config: JsonObject,
  tensors: Readonly<Record<string, readonly number[] | TensorValue>> = {},
  files: Files = {},
): Checkpoint {
  const values = new Map(
    Object.entries(tensors).map(([name, value]) => [
      name,
      Array.isArray(value)
        ? { shape: value as number[], values: new Float32Array((value as number[]).reduce((a, b) => a * b, 1)) }
        : (value as TensorValue),
    ]),
  );
  const bytes = (value: string | object): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
  return {
    origin: 'test', revision: '1', config,
    tensors: new Map([...values].map(([name, { shape }]) => [name, { dtype: 'F32' as const, shape }])),
    tensor: (name) => Promise.resolve(values.get(name)!),
    file: (path) => Promise.resolve(files[path] === undefined ? undefined : bytes(files[path])),
    close: () => Promise.resolve(),
  }; // prettier-ignore
}

const published: JsonObject = {
  model_type: 'bert', architectures: ['BertModel'], vocab_size: 50, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 32,
  max_position_embeddings: 32, type_vocab_size: 2, hidden_act: 'gelu', layer_norm_eps: 1e-12, hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1,
  position_embedding_type: 'absolute', pad_token_id: 0, transformers_version: '4.40.0', use_cache: true, initializer_range: 0.02,
}; // prettier-ignore

const parse = (config: JsonObject, files: Files = {}): Promise<BertConfig> => Promise.resolve(bert.parse(checkpoint(config, {}, files)));
const modules = (...types: string[]): object =>
  types.map((type, idx) => ({
    idx,
    name: String(idx),
    path: idx === 0 ? '' : `${idx}_${type}`,
    type: `sentence_transformers.models.${type}`,
  }));

describe('bert: which checkpoints', () => {
  it.each<[string, JsonObject, boolean]>([
    ['model_type', { model_type: 'bert' }, true],
    ['an architecture', { architectures: ['BertForMaskedLM'] }, true],
    ['another model_type', { model_type: 'roberta', architectures: ['BertModel'] }, false],
    ['another architecture', { architectures: ['DistilBertModel'] }, false],
  ])('by %s', (_, config, expected) => expect(bert.matches(checkpoint(config))).toBe(expected));

  it('by the names of its tensors where there is no config, which is then asked for', async () => {
    const bare = checkpoint(
      {},
      {
        'bert.embeddings.word_embeddings.weight': [2, 2],
        'bert.embeddings.token_type_embeddings.weight': [2, 2],
        'bert.encoder.layer.0.attention.self.query.weight': [2, 2],
      },
    );
    expect(bert.matches(bare)).toBe(true);
    expect(bert.matches(checkpoint({}, { 'conv.weight': [2, 2] }))).toBe(false);
    await expectError(
      Promise.resolve().then(() => bert.parse(bare)),
      'bad-config',
      'no config.json',
      'attention heads',
    );
  });
});

describe('bert: config', () => {
  it('is read with the mean of the tokens by default', async () => {
    expect(await parse(published)).toMatchObject({
      vocabularySize: 50,
      hiddenSize: 16,
      layers: 2,
      heads: 2,
      pooling: 'mean',
      normalize: false,
      maxLength: 32,
      epsilon: 1e-12,
    });
  });

  it('honours modules.json, the pooling module and the length', async () => {
    const files = {
      'modules.json': modules('Transformer', 'Pooling', 'Normalize'),
      '1_Pooling/config.json': { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false },
      'sentence_bert_config.json': { max_seq_length: 20, do_lower_case: true },
    };
    expect(await parse(published, files)).toMatchObject({ pooling: 'cls', normalize: true, maxLength: 20, lowerCase: true });
  });

  it('reads the newer way of naming modules and pooling modes', async () => {
    const files = {
      'modules.json': [
        { path: '', type: 'a.b.Transformer' },
        { path: '1_Pooling', type: 'a.b.pooling.Pooling' },
      ],
      '1_Pooling/config.json': { pooling_mode: 'max' },
    };
    expect(await parse(published, files)).toMatchObject({ pooling: 'max', normalize: false });
  });

  it.each([
    [512, 32],
    [1e30, 32],
    [24, 24],
  ])('a tokenizer length of %d becomes %i', async (told, expected) => {
    expect((await parse(published, { 'tokenizer_config.json': { model_max_length: told } })).maxLength).toBe(expected);
  });

  it.each<[string, JsonObject, string[]]>([
    ['relative positions', { position_embedding_type: 'relative_key' }, ['"position_embedding_type"', 'absolute', 'relative_key']],
    ['a decoder', { is_decoder: true }, ['"is_decoder"']],
    ['cross attention', { add_cross_attention: true }, ['"add_cross_attention"']],
    ['code of its own', { auto_map: { AutoModel: 'x.Y' } }, ['"auto_map"']],
    ['pruned heads', { pruned_heads: { '0': [1] } }, ['"pruned_heads"']],
    ['an unknown activation', { hidden_act: 'sorcery' }, ['"hidden_act"', '"gelu_new"', 'sorcery']],
    ['a field that nobody knows', { rotary: true }, ['"rotary"']],
    ['heads that do not divide', { num_attention_heads: 3 }, ['"num_attention_heads"', 'divisor of hidden_size, which is 16']],
    ['half a layer', { num_hidden_layers: 1.5 }, ['"num_hidden_layers"', 'whole number']],
    ['no size', { hidden_size: null }, ['"hidden_size"']],
    ['an enormous network', { hidden_size: 65536, num_attention_heads: 2, num_hidden_layers: 512 }, ['at most 1500000000 weights']],
  ])('%s: refused', async (_, changes, said) => {
    await expectError(
      parse({ ...published, ...changes }),
      'bad-config',
      ...said.map((piece) => new RegExp(piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))),
    );
  });

  it.each<[string, Files, 'bad-config' | 'corrupt-file', string]>([
    ['a dense module', { 'modules.json': modules('Transformer', 'Dense') }, 'bad-config', 'received Dense'],
    [
      'two pooling modes',
      {
        'modules.json': modules('Transformer', 'Pooling'),
        '1_Pooling/config.json': { pooling_mode_cls_token: true, pooling_mode_mean_tokens: true },
      },
      'bad-config',
      'pooling_mode_cls_token \\+ pooling_mode_mean_tokens',
    ],
    [
      'an unsupported pooling mode',
      { 'modules.json': modules('Transformer', 'Pooling'), '1_Pooling/config.json': { pooling_mode_weightedmean_tokens: true } },
      'bad-config',
      'weightedmean',
    ],
    ['a pooling module without config', { 'modules.json': modules('Transformer', 'Pooling') }, 'bad-config', 'received none'],
    ['modules.json that is not JSON', { 'modules.json': '[' }, 'corrupt-file', 'modules.json is not JSON'],
    ['modules.json that is no list', { 'modules.json': {} }, 'corrupt-file', 'expected a list of modules'],
    [
      'a module outside the checkpoint',
      { 'modules.json': [{ path: '../../secret', type: 'x.Pooling' }] },
      'corrupt-file',
      'one inside the checkpoint',
    ],
  ])('%s: refused', async (_, files, code, said) => {
    await expectError(parse(published, files), code, new RegExp(said));
  });
});

describe('bert: network', () => {
  const config = bert.tiny.config;

  async function run(settings: BertConfig, texts: readonly unknown[]): Promise<{ pooled: number[][]; shape: number[] }> {
    const built = bert.build(settings);
    const file = (path: string): Promise<Uint8Array | undefined> =>
      Promise.resolve(bert.tiny.files?.[path] === undefined ? undefined : new TextEncoder().encode(bert.tiny.files[path] as string));
    const processor = await bert.processor({ ...bert.tiny.input }, { file } as never);
    const encoded = await Promise.all(texts.map((text) => processor.encode(text)));
    const result = tf.tidy(() => {
      const inputs = collateInputs(encoded, processor.padding);
      const [pooled, sequence] = runGraph(new Map(built.model.inputs.map((input, index) => [input, inputs[index]!])), [
        built.features.pooled,
        built.features.sequence!,
      ]);
      return { pooled: pooled!.arraySync() as number[][], shape: sequence!.shape };
    });
    built.model.dispose();
    return result;
  }

  it('has the groups embeddings and layers, and a top only with the trained pooler', () => {
    const names = (settings: BertConfig): string[] => {
      const built = bert.build(settings);
      built.model.dispose();
      return built.groups.map((group) => group.name);
    };
    expect(names(config)).toEqual(['embeddings', 'layer-1', 'layer-2']);
    expect(names({ ...config, pooling: 'pooler' })).toEqual(['embeddings', 'layer-1', 'layer-2', 'top']);
  });

  it('gives a text the same vector alone and beside a longer one', async () => {
    const alone = await run(config, ['red rose']);
    const beside = await run(config, ['red rose', 'the very late train was not good in the blue sky']);
    alone.pooled[0]!.forEach((value, index) => expect(beside.pooled[0]![index]).toBeCloseTo(value, 5));
  });

  it.each(['mean', 'cls', 'max', 'pooler'] as const)('pools by %s, to length 1 where asked', async (pooling) => {
    const { pooled, shape } = await run({ ...config, pooling, normalize: true }, ['the cat sings', 'a dog']);
    expect(shape).toEqual([2, 6, 16]);
    for (const row of pooled) expect(Math.hypot(...row)).toBeCloseTo(1, 5);
  });

  it('builds the same weights twice, and other weights in each part', () => {
    const [first, second] = [bert.build(config), bert.build(config)];
    const read = (built: typeof first): string[] =>
      [...namedWeights(built.model).values()].map((weight) => weight.read().dataSync().join());
    expect(read(first)).toEqual(read(second));
    const kernels = [...namedWeights(first.model)]
      .filter(([name]) => name.endsWith('/kernel'))
      .map(([, weight]) => weight.read().dataSync().slice(0, 4).join());
    expect(new Set(kernels).size).toBe(kernels.length);
    [first, second].forEach((built) => built.model.dispose());
  });

  it.each([
    ['bert.', 'weight', 'bias'],
    ['', 'gamma', 'beta'],
  ])('is filled from names with the prefix "%s" and norms called %s and %s, heads and buffers left aside', async (prefix, scale, shift) => {
    const built = bert.build(config);
    const weights = namedWeights(built.model);
    const plain = bert.weights['huggingface']!.rows(config, new Set());
    const tensors: Record<string, TensorValue> = {
      [`${prefix}embeddings.position_ids`]: { shape: [1, 32], values: new Int32Array(32) },
      'cls.predictions.bias': { shape: [50], values: new Float32Array(50) },
      [`${prefix}pooler.dense.bias`]: { shape: [16], values: new Float32Array(16) },
    };
    plain.forEach(([ours, theirs, layout], index) => {
      const shape = weights.get(ours)!.shape as number[];
      const renamed = theirs.replace(/(LayerNorm)\.weight$/, `$1.${scale}`).replace(/(LayerNorm)\.bias$/, `$1.${shift}`);
      tensors[prefix + renamed] = {
        shape: layout === 'linear' ? [...shape].reverse() : shape,
        values: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(index + 1),
      };
    });
    const source = checkpoint(published, tensors);
    expect(await fillModel({ family: 'bert', weights, checkpoint: source, tables: bert.weights, config })).toEqual({
      layout: 'huggingface',
    });
    plain.forEach(([ours], index) => expect(weights.get(ours)!.read().dataSync()[0]).toBe(index + 1));
    built.model.dispose();
  });
});

describe('static-embedding', () => {
  const table: TensorValue = { shape: [4, 2], values: Float32Array.from([0, 0, 9, 9, 3, 4, 0, 2]) };
  const vocabulary = { '[PAD]': 0, '[UNK]': 1, cat: 2, dog: 3 };
  const tokenizer = {
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', vocab: vocabulary },
    pre_tokenizer: { type: 'Whitespace' },
  };

  async function embed(
    tensors: Readonly<Record<string, TensorValue>>,
    config: JsonObject,
    texts: readonly string[],
    files: Files = {},
  ): Promise<number[][]> {
    const source = checkpoint(config, tensors, { 'tokenizer.json': tokenizer, ...files });
    expect(staticEmbedding.matches(source)).toBe(true);
    const settings = await staticEmbedding.parse(source);
    const built = staticEmbedding.build(settings);
    await fillModel({
      family: 'static-embedding',
      weights: namedWeights(built.model),
      checkpoint: source,
      tables: staticEmbedding.weights,
      config: settings,
    });
    const processor = await staticEmbedding.processor(await staticEmbedding.input(settings, source), {
      file: (path: string) => source.file(path),
    } as never);
    const encoded = await Promise.all(texts.map((text) => processor.encode(text)));
    const rows = tf.tidy(() => {
      const inputs = collateInputs(encoded, processor.padding);
      return runGraph(new Map(built.model.inputs.map((input, index) => [input, inputs[index]!])), [
        built.features.pooled,
      ])[0]!.arraySync() as number[][];
    });
    built.model.dispose();
    return rows;
  }

  it('is the mean of the tokens; unknown tokens do not count, and a text of such is zero', async () => {
    expect(await embed({ embeddings: table }, { model_type: 'model2vec' }, ['cat dog', 'cat xyz', 'xyz'])).toEqual([
      [1.5, 3],
      [3, 4],
      [0, 0],
    ]);
  });

  it('is scaled to length 1 where the config says so', async () => {
    const [row, none] = await embed({ embeddings: table }, { normalize: true }, ['cat', 'xyz']);
    expect(row![0]).toBeCloseTo(0.6, 6);
    expect(none).toEqual([0, 0]);
  });

  it('multiplies by token weights and follows the mapping', async () => {
    const weights: TensorValue = { shape: [4], values: Float32Array.from([1, 1, 2, 0.5]) };
    const mapping: TensorValue = { shape: [4], values: Int32Array.from([0, 0, 1, 1]) };
    const small: TensorValue = { shape: [2, 2], values: Float32Array.from([0, 0, 1, 2]) };
    expect(await embed({ embeddings: small, weights, mapping }, {}, ['cat', 'dog', 'cat dog'])).toEqual([
      [2, 4],
      [0.5, 1],
      [1.25, 2.5],
    ]);
  });

  it('keeps unknown tokens in the sentence-transformers layout, and honours its modules', async () => {
    const files = {
      'modules.json': [
        { path: '', type: 'x.StaticEmbedding' },
        { path: '1_Normalize', type: 'x.Normalize' },
      ],
    };
    const [row] = await embed({ 'embedding.weight': table }, {}, ['xyz'], files);
    expect(row![0]).toBeCloseTo(Math.SQRT1_2, 6);
  });

  it('cuts long texts by the median token as the reference does', async () => {
    const source = checkpoint({}, { embeddings: table }, { 'tokenizer.json': tokenizer });
    // token lengths 3, 3, 5, 5: median 4
    expect(((await staticEmbedding.input(await staticEmbedding.parse(source), source)) as TextRecipe).cutCharacters).toBe(512 * 4);
  });

  it.each<[string, Readonly<Record<string, TensorValue>>, JsonObject, 'weight-mismatch' | 'corrupt-file' | 'bad-config', string]>([
    [
      'too few token weights',
      { embeddings: table, weights: { shape: [3], values: new Float32Array(3) } },
      {},
      'weight-mismatch',
      'has 3 numbers: expected 4',
    ],
    [
      'token weights with two axes',
      { embeddings: table, weights: { shape: [4, 1], values: new Float32Array(4) } },
      {},
      'weight-mismatch',
      'expected one axis',
    ],
    [
      'a mapping to a row that does not exist',
      { embeddings: table, mapping: { shape: [5], values: Int32Array.from([0, 1, 2, 3, 4]) } },
      {},
      'corrupt-file',
      'sends a token to row 4: expected rows 0 to 3',
    ],
    ['an unknown field', { embeddings: table }, { attention: true }, 'bad-config', '"attention"'],
  ])('%s: refused', async (_, tensors, config, code, said) => {
    await expectError(
      Promise.resolve().then(() => staticEmbedding.parse(checkpoint(config, tensors))),
      code,
      said,
    );
  });

  it.each<[string, JsonObject, Readonly<Record<string, readonly number[]>>]>([
    ['another model_type', { model_type: 'bert' }, { embeddings: [4, 2] }],
    ['a table of three axes', {}, { embeddings: [4, 2, 2] }],
    ['many other tensors', {}, { 'embedding.weight': [4, 2], a: [1], b: [1], c: [1] }],
  ])('does not claim %s', (_, config, tensors) => expect(staticEmbedding.matches(checkpoint(config, tensors))).toBe(false));
});
