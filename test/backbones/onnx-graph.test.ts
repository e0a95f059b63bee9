import { readFileSync, existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadPretrained, runtime, type JsonObject } from 'transferkit';
import { onnxImage } from 'transferkit/backbones/onnx-image';
import { onnxText } from 'transferkit/backbones/onnx-text';
import { expectFailure } from 'transferkit/testing';
import { cutOnnx } from '../../src/graph/cut-onnx.js';
import type { OnnxModel } from '../../src/graph/onnx-model.js';
import { matchBackbone, recognises } from '../../src/backbones/index.js';
import { bert } from '../../src/backbones/bert.js';
import { encodeAll } from '../../src/inputs/encode.js';
import type { Source } from '../../src/sources/source.js';
import type { FrozenGraph } from '../../src/layers/frozen-graph.js';
import { memory } from '../../src/sources/memory.js';
import { withOnnxRuntime } from '../engines/with-onnx-runtime.js';
import { counted, graphSource, imageGraph, node, preprocessor, textGraph, textSource, tokens, value } from './drawn-graph.js';

const parseText = async (source: Source, settings?: JsonObject) => onnxText.parse(await source.open({ runtime }), settings);
const parseImage = async (source: Source, settings?: JsonObject) => onnxImage.parse(await source.open({ runtime }), settings);
const imageSource = (
  over: Partial<OnnxModel> = {},
  files: Record<string, string> = { 'preprocessor_config.json': preprocessor(4) },
): Source => graphSource({ 'onnx/model.onnx': imageGraph(over), ...files });
const black = (size: number) => ({ width: size, height: size, data: new Uint8Array(size * size * 3) });

describe('which checkpoints belong to graphs', () => {
  const files = { 'onnx/model.onnx': textGraph() };
  const named = async (content: Record<string, string | Uint8Array>, config: JsonObject = {}) =>
    (await matchBackbone(await graphSource(content, config).open({ runtime }))).name;

  test('those without tensors, by what prepares their inputs', async () => {
    // The config is that of the network that was exported, and the family of that name could not be filled.
    expect(await named({ ...files, 'tokenizer.json': '{}' }, { model_type: 'bert' })).toBe('onnx-text');
    expect(await named({ ...files, 'preprocessor_config.json': '{}' }, { model_type: 'mobilenet_v2' })).toBe('onnx-image');
    expect(await named({ ...files, 'tokenizer.json': '{}', 'preprocessor_config.json': '{}' })).toBe('onnx-text');
    await expectFailure(() => named(files), 'bad-config', 'no family recognises');
    await expectFailure(() => named({ 'tokenizer.json': '{}' }, { model_type: 'bert' }), 'bad-config', '0 tensors');
  });

  test('tensors come first, unless the caller wants the graph', async () => {
    const tensors = { 'bert.embeddings.word_embeddings.weight': { shape: [2, 2], values: new Float32Array(4) } };
    const checkpoint = await memory({ tensors, config: { model_type: 'bert' }, files: { ...files, 'tokenizer.json': '{}' } }).open({
      runtime,
    });
    expect((await matchBackbone(checkpoint)).name).toBe('bert');
    expect(recognises(onnxText, checkpoint)).toBe(true);
    expect(recognises(bert, { ...checkpoint, tensors: new Map() })).toBe(false);
  });
});

describe('which file is read', () => {
  const several = graphSource(
    Object.fromEntries(['model', 'model_quantized', 'other'].map((name) => [`onnx/${name}.onnx`, textGraph({ name })])),
  );

  test('the model, a variant of it, or the one that is named', async () => {
    expect(await parseText(several)).toMatchObject({ file: 'onnx/model.onnx', variant: 'default', sha256: null });
    expect(await parseText(several, { variant: 'quantized' })).toMatchObject({ file: 'onnx/model_quantized.onnx' });
    expect(await parseText(several, { file: 'onnx/other.onnx' })).toMatchObject({ file: 'onnx/other.onnx', variant: null });
    expect(await parseText(graphSource({ 'model.onnx': textGraph() }))).toMatchObject({ file: 'model.onnx' });
    expect(await parseText(graphSource({ 'encoder.onnx': textGraph() }))).toMatchObject({ file: 'encoder.onnx' });
  });

  test.each<[string, Source, JsonObject, string, string]>([
    ['a file that is not there', several, { file: 'onnx/othr.onnx' }, 'unknown-name', 'Did you mean "onnx/other.onnx"'],
    ['a variant that does not exist', several, { variant: 'quantised' }, 'unknown-name', 'Did you mean "quantized"'],
    [
      'a variant that was not published',
      several,
      { variant: 'fp16' },
      'unknown-name',
      'there is no graph of "drawn" "onnx/model_fp16.onnx"',
    ],
    ['both', several, { variant: 'fp16', file: 'onnx/other.onnx' }, 'bad-option', 'both say which graph is read'],
    [
      'several, none of them usual',
      graphSource({ 'a.onnx': textGraph(), 'b.onnx': textGraph() }),
      {},
      'bad-config',
      "config: { file: 'a.onnx' }",
    ],
    ['none', graphSource({}), {}, 'bad-config', 'holds no graph'],
    ['a text file', graphSource({ 'onnx/model.onnx': 'hello' }), {}, 'corrupt-file', 'model'],
  ])('%s', async (_name, source, settings, code, piece) => {
    await expectFailure(() => parseText(source, settings), code as never, piece);
  });

  test('one that is listed and gone', async () => {
    const checkpoint = { ...(await textSource().open({ runtime })), file: () => Promise.resolve(undefined) };
    await expectFailure(async () => onnxText.parse(checkpoint), 'not-found', 'is listed and not there');
  });

  test('weights in other files', async () => {
    const bytes = new Uint8Array(readFileSync(`${import.meta.dirname}/../golden/onnx/awkward.onnx`));
    await expectFailure(() => parseText(graphSource({ 'model.onnx': bytes })), 'unsupported', 'keeps its weights in other files');
  });
});

describe('what goes in', () => {
  test.each<[string, Partial<OnnxModel>, string, string]>([
    [
      'a name that means nothing',
      { inputs: [tokens('input_ids'), tokens('position_ids')] },
      'must be fed with "position_ids"',
      '"position_ids" (int64 [batch, tokens])',
    ],
    ['nothing', { inputs: [] }, 'takes no inputs', 'encoder_model.onnx'],
    ['a type that is not fed', { inputs: [tokens('input_ids', 'float64')] }, '"input_ids" of', 'Received: float64'],
    ['batches of one size', { inputs: [tokens('input_ids', 'int64', 'tokens', 8)] }, 'batches of one size only', 'free batch axis'],
    ['texts of one length', { inputs: [tokens('input_ids', 'int64', 128)] }, 'texts of one length only', '128 tokens for "input_ids"'],
  ])('%s', async (_name, over, ...pieces) => {
    for (const piece of pieces) await expectFailure(() => parseText(textSource(over)), 'bad-config', piece);
  });

  test('the only input of a photo graph may have any name', async () => {
    const inputs = [value('x', ['batch', 3, 'h', 'w'])];
    expect(await parseImage(imageSource({ inputs, nodes: [node('Neg', ['x'], 'last_hidden_state')] }))).toMatchObject({
      inputs: [{ name: 'x', takes: 'pixels' }],
    });
    const two = [...inputs, value('y', ['batch', 3, 'h', 'w'])];
    await expectFailure(() => parseImage(imageSource({ inputs: two })), 'bad-config', 'must be fed with "x"');
  });
});

describe('what comes out', () => {
  const nodes = [
    node('Gather', ['table', 'input_ids'], 'words'),
    node('ReduceMean', ['words'], 'mean'),
    node('Gemm', ['mean', 'kernel', 'bias'], 'logits'),
  ];
  const constants = new Map([
    ['table', counted(30, 4)],
    ['kernel', counted(2, 4)],
    ['bias', counted(2)],
  ]);
  const classifier = { nodes, constants, outputs: [value('logits', ['batch', 2])] };

  test.each<[string, Partial<OnnxModel>, JsonObject, string, string]>([
    [
      'classes, and what lies in front of them',
      classifier,
      {},
      'bad-config',
      'Received: logits [batch, 2]; inner tensors that may serve: mean',
    ],
    ['a tensor that is not there', classifier, { output: 'meen' }, 'unknown-name', 'Did you mean "mean"'],
    [
      'an inner tensor of unknown shape',
      classifier,
      { output: 'words' },
      'bad-config',
      "tell it: config: { kind: 'pooled', features: 1280 }",
    ],
    ['a kind that does not exist', classifier, { output: 'words', kind: 'tokens' }, 'unknown-name', 'kind of output "tokens"'],
    ['a kind that it is not', {}, { kind: 'pooled' }, 'bad-config', 'Received: the shape [batch, tokens, 4]'],
    [
      'a shape that is no features',
      { outputs: [value('last_hidden_state', ['batch'])] },
      {},
      'bad-config',
      'features of the kind pooled or sequence',
    ],
    ['a width that it has not', {}, { features: 5 }, 'bad-config', 'Expected: 4\n  Received: 5'],
    ['no whole number', classifier, { output: 'words', kind: 'sequence', features: 2.5 }, 'bad-config', 'a whole number from 1 on'],
    [
      'a width that nobody tells',
      { outputs: [value('last_hidden_state', ['batch', 'tokens', 'width'])] },
      {},
      'bad-config',
      'config: { features: 384 }',
    ],
    ['whole numbers', { outputs: [value('last_hidden_state', ['batch', 'tokens', 4], 'int64')] }, {}, 'bad-config', 'Received: int64'],
  ])('%s', async (_name, over, settings, code, piece) => {
    await expectFailure(() => parseText(textSource(over), settings), code as never, piece);
  });

  test('what the file does not tell is asked of the dense layer behind it, the caller and config.json', async () => {
    expect(await parseText(textSource(classifier), { output: 'mean' })).toMatchObject({
      kind: 'pooled',
      features: 4,
      pooling: null,
      parameters: 120,
    });
    expect(await parseText(textSource(classifier), { output: 'words', kind: 'sequence', features: 4 })).toMatchObject({
      kind: 'sequence',
      features: 4,
      pooling: 'mean',
    });
    const open = { outputs: [value('last_hidden_state', ['batch', 'tokens', 'width'])] };
    expect(await parseText(textSource(open, { hidden_size: 4 }))).toMatchObject({ features: 4 });
    expect(await parseText(textSource(open), { features: 4 })).toMatchObject({ features: 4 });
  });

  test.each<[string, Partial<OnnxModel>, JsonObject, string]>([
    [
      'pooling of what is one vector already',
      { outputs: [value('sentence_embedding', ['batch', 4])] },
      { pooling: 'cls' },
      'Expected: none, for it is one vector already',
    ],
    ['a pooling that does not exist', {}, { pooling: 'last' }, 'Expected: mean, cls, max\n  Received: "last"'],
    ['no pooling of tokens', {}, { pooling: null }, 'Received: null'],
  ])('%s', async (_name, over, settings, piece) => {
    const config = { ...(await parseText(textSource(over), {})), ...settings } as never;
    await expectFailure(async () => onnxText.build(config), 'bad-config', piece);
  });

  test('of a map there is no first place', async () => {
    const config = { ...(await parseImage(imageSource())), pooling: 'cls' } as never;
    await expectFailure(async () => onnxImage.build(config), 'bad-config', 'Expected: mean, max');
  });
});

describe('how inputs are prepared', () => {
  test('by tokenizer, config and graph', async () => {
    const config = { pad_token_id: 3, vocab_size: 99, max_position_embeddings: 64 };
    const files = { 'onnx/model.onnx': textGraph(), 'tokenizer_config.json': '{"model_max_length":40}' };
    expect(await parseText(graphSource(files, config))).toMatchObject({ padId: 3, vocabularySize: 30, maxLength: 40 });
    expect(await parseText(graphSource({ ...files, 'tokenizer_config.json': '{"model_max_length":1e30}' }, config))).toMatchObject({
      maxLength: 64,
    });
    const shifted = { nodes: [node('Identity', ['input_ids'], 'ids'), node('Gather', ['table', 'ids'], 'last_hidden_state')] };
    expect(await parseText(textSource(shifted, config))).toMatchObject({ vocabularySize: 99, maxLength: 64 });
    expect(await parseText(textSource(shifted))).toMatchObject({ vocabularySize: 2 ** 31 - 1, maxLength: 512, padId: 0 });
  });

  test('as sentence-transformers says, where it was published so', async () => {
    const files = {
      'onnx/model.onnx': textGraph(),
      'modules.json':
        '[{"type":"sentence_transformers.models.Transformer","path":""},{"type":"sentence_transformers.models.Pooling","path":"1_Pooling"},{"type":"sentence_transformers.models.Normalize","path":"2_Normalize"}]',
      '1_Pooling/config.json': '{"pooling_mode_cls_token":true}',
      'sentence_bert_config.json': '{"max_seq_length":24,"do_lower_case":true}',
    };
    expect(await parseText(graphSource(files))).toMatchObject({ pooling: 'cls', normalize: true, maxLength: 24, lowerCase: true });
  });

  test('a photo graph needs preprocessor_config.json, and one that gives what it takes', async () => {
    const load = (source: Source) => loadPretrained({ backbone: 'onnx-image', source });
    await expectFailure(() => load(imageSource({}, {})), 'not-found', 'there is no preprocessor_config.json');
    const fixed = { inputs: [value('pixel_values', ['batch', 3, 8, 8])] };
    await expectFailure(() => load(imageSource(fixed)), 'bad-config', 'Expected: pixels of [8, 8]\n  Received: [4, 4]');
  });
});

withOnnxRuntime('a graph that is run', () => {
  const load = (source: Source, settings: JsonObject = {}, backbone = 'onnx-text') =>
    loadPretrained({ backbone, source, config: settings });

  test('a setting that does not exist is refused', async () => {
    await expectFailure(() => load(textSource(), { ouput: 'x' }), 'unknown-name', 'setting of onnx-text "ouput"');
  });

  test('takes ids of 32 bits, masks of floats and truth values, and no mask at all', async () => {
    const nodes = [
      node('Gather', ['table', 'input_ids'], 'words'),
      node('Cast', ['attention_mask'], 'mask', { to: { int: 1 } }),
      node('Unsqueeze', ['mask', 'axis'], 'column'),
      node('Mul', ['words', 'column'], 'last_hidden_state'),
    ];
    const axis = { type: 'int64' as const, shape: [1], bytes: new Uint8Array(new BigInt64Array([2n]).buffer) };
    const constants = new Map([
      ['table', counted(30, 4)],
      ['axis', axis],
    ]);
    using plain = await load(textSource({ inputs: [tokens('input_ids', 'int32')] }));
    expect(plain.parts.built.model.inputs.map(({ name }) => name.split('_')[0])).toEqual(['ids', 'mask']); // to pool by
    const expected = await plain.embed('a red rose');
    for (const type of ['float32', 'float16', 'bool', 'int32'] as const) {
      using base = await load(textSource({ nodes, constants, inputs: [tokens('input_ids'), tokens('attention_mask', type)] }));
      expect(await base.embed('a red rose')).toEqual(expected);
    }
  });

  test('with the channels last is fed as it is', async () => {
    const shape = ['batch', 'height', 'width', 3];
    using base = await load(
      imageSource({ inputs: [value('pixel_values', shape)], outputs: [value('last_hidden_state', shape)] }),
      {},
      'onnx-image',
    );
    expect(base.parts.config).toMatchObject({ channels: 'last', features: 3 });
    const data = Uint8Array.from({ length: 48 }, (_, index) => index);
    const [[map]] = (await base.features(await encodeAll(base.parts.processor, [{ width: 4, height: 4, data }]), ['map'])) as any;
    expect(map.shape).toEqual([4, 4, 3]);
    expect(Array.from(map.values as Float32Array)).toEqual(Array.from(data, (pixel) => -pixel));
  });

  test('that takes one example at a time is given them so', async () => {
    using base = await load(textSource({ inputs: [tokens('input_ids', 'int64', 'tokens', 1)] }));
    expect(base.parts.config['oneByOne']).toBe(true);
    const { shape, values } = await base.embed(['a red rose', 'a blue sky', 'a red sky']);
    using free = await load(textSource());
    expect([shape, values]).toEqual(Object.values(await free.embed(['a red rose', 'a blue sky', 'a red sky'])));
  });

  test('gives what its configuration says, or says so', async () => {
    const unknown = {
      outputs: [value('other', ['batch', 4])],
      nodes: [node('Gather', ['table', 'input_ids'], 'words'), node('ReduceMean', ['words'], 'other')],
    };
    using base = await load(textSource(unknown), { output: 'words', kind: 'sequence', features: 5 });
    await expectFailure(() => base.embed('a rose'), 'bad-config', 'Expected: [batch, any, 5]\n  Received: [1, 4, 4]');
    const whole = {
      nodes: [
        node('Gather', ['table', 'input_ids'], 'words'),
        node('Shape', ['words'], 'sizes'),
        node('Identity', ['words'], 'last_hidden_state'),
      ],
    };
    using sizes = await load(textSource(whole), { output: 'sizes', kind: 'pooled', features: 3 });
    await expectFailure(() => sizes.embed('a rose'), 'bad-config', 'Received: int64');
  });

  test('says what ONNX Runtime says of inputs that it cannot take', async () => {
    using base = await load(textSource({ constants: new Map([['table', counted(5, 4)]]) }), { vocabularySize: 30 });
    await expectFailure(() => base.embed('a red rose'), 'bad-input', 'cannot be run on input_ids [1, 5], attention_mask [1, 5]');
  });

  test('that nobody knows how to run is refused', async () => {
    const strange = { nodes: [node('NoSuchOperation', ['input_ids'], 'last_hidden_state')] };
    await expectFailure(() => load(textSource(strange)), 'unsupported', 'does not take the graph "onnx/model.onnx"');
  });

  test('is disposed with its base, after the runs that were asked for', async () => {
    const base = await load(textSource());
    const graph = base.parts.built.groups[0]!.layers[0] as FrozenGraph;
    const ids = { type: 'int32' as const, shape: [1, 3], values: Int32Array.of(2, 5, 3) };
    const asked = [graph.computeAhead([ids, ids]), graph.computeAhead([ids, ids])];
    base.dispose();
    base.dispose();
    for (const [output] of await Promise.all(asked)) expect(output!.shape).toEqual([1, 3, 4]);
    await base.parts.attached!.dispose();
    await expectFailure(() => graph.computeAhead([ids, ids]), 'disposed', 'the graph "onnx/model.onnx" was disposed');
    await expectFailure(() => base.embed('a rose'), 'disposed', 'onnx-text base was disposed');
  });

  test('is described with its weights and what runs it', async () => {
    using base = await load(textSource());
    expect(base.parameters).toBe(120);
    expect(base.describe()).toMatch(
      /onnx-text from drawn, 120 parameters, all frozen\n.*graph +120\nits graph is run by onnxruntime-node \d/,
    );
  });

  test('does without ONNX Runtime only in an error that names the package', async () => {
    for (const bare of [
      { ...runtime, loadOnnxRuntime: undefined },
      { ...runtime, loadOnnxRuntime: async () => ({ missing: 'it was eaten' }) },
    ])
      await expectFailure(
        () => loadPretrained({ backbone: 'onnx-text', source: textSource() }, { runtime: bare as never, engine: 'eager' }),
        'missing-package',
        'npm install onnxruntime-node',
      );
  });

  test('is refused where it is not the one that was told of, and where it is gone', async () => {
    await expectFailure(() => load(textSource(), { sha256: 'ab' }), 'corrupt-file', 'Expected: SHA-256 ab');
    const built = onnxText.build(onnxText.tiny.config);
    const attach = (files: Record<string, Uint8Array>) =>
      onnxText.attach!(built, onnxText.tiny.config, { runtime, onnxRuntime: {}, file: (path) => Promise.resolve(files[path]) });
    await expectFailure(() => attach({}), 'not-found', 'there is no file "onnx/model.onnx"');
    await expectFailure(() => attach({ 'onnx/model.onnx': imageGraph({ outputs: [] }).slice(0, 40) }), 'corrupt-file', '');
  });

  const detector = `${import.meta.dirname}/../../../shared/data/weights/shufflenet-v2-fastestdet.torch-zip/FastestDet.onnx`;
  test.skipIf(!existsSync(detector))(
    'a published detector gives its features, one photo at a time (skipped without the shared data)',
    async () => {
      const files = { 'FastestDet.onnx': new Uint8Array(readFileSync(detector)), 'preprocessor_config.json': preprocessor(352) };
      using base = await load(graphSource(files), { output: 'onnx::Conv_752' }, 'onnx-image');
      expect(base.parts.config).toMatchObject({ kind: 'map', size: [352, 352], oneByOne: true });
      const { shape, values } = await base.embed([black(50), { ...black(50), data: new Uint8Array(7500).fill(200) }]);
      expect(shape).toEqual([2, base.parts.config['features']]);
      expect(values.slice(0, shape[1]!)).not.toEqual(values.slice(shape[1]!));
    },
  );
});

test('a graph that is cut twice is the same file', () => {
  const once = cutOnnx(textGraph(), ['last_hidden_state']);
  expect(cutOnnx(once, ['last_hidden_state'])).toEqual(once);
});
