/** Checkpoints that are broken, lie, or belong to something else, as a caller of `loadPretrained` meets them. */
import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadPretrained, runtime } from 'transferkit';
import { writeSafetensors } from '../../src/weights/write-safetensors.js';
import { copyOf, editJson, emptyFolder, fails, folderOf, published, safetensors, takeApart } from './fixtures.js';

await runtime.chooseBackend('wasm');

const weights = 'model.safetensors';
const entry = (start: number, end: number) => ({ dtype: 'F32', shape: [(end - start) / 4], data_offsets: [start, end] });

describe('a weight file that is broken', () => {
  test('cut short', async () => {
    const folder = copyOf(published.image);
    truncateSync(join(folder, weights), 100_000);
    await fails(
      'truncated safetensors',
      () => loadPretrained(folder),
      'corrupt-file',
      weights,
      'the file ends before its tensors do',
      '100000 bytes',
      'Fix:',
    );
  });

  test('cut inside its header', async () => {
    const folder = copyOf(published.image);
    truncateSync(join(folder, weights), 500);
    await fails('truncated header', () => loadPretrained(folder), 'corrupt-file', weights, 'ends inside its header', 'Fix:');
  });

  test.each<[string, string | Uint8Array, ...string[]]>([
    ['empty', new Uint8Array(), 'too short', '0 bytes'],
    ['a web page', '<!doctype html><title>Sign in</title>', 'this is text', '<!doctype html>', 'Fix:'],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n', 'this is text', 'git lfs pull'],
    ['overlapping tensors', safetensors({ a: entry(0, 8), b: entry(4, 12) }, 12), 'tensor "b"', 'overlap'],
    ['a gap between tensors', safetensors({ a: entry(0, 4), b: entry(8, 12) }, 12), 'tensor "b"', 'gap'],
    ['bytes that nobody owns', safetensors({ a: entry(0, 4) }, 12), 'goes on after its last tensor'],
    ['a huge header announced', safetensors('{}', 0, 2 ** 52), 'the header is too large', String(2 ** 52)],
    [
      'a huge tensor announced',
      safetensors({ a: { dtype: 'F32', shape: [2 ** 40], data_offsets: [0, 2 ** 42] } }, 8),
      'ends before its tensors do',
    ],
    [
      'a shape that overflows',
      safetensors({ a: { dtype: 'F32', shape: [2 ** 40, 2 ** 40], data_offsets: [0, 8] } }, 8),
      'tensor "a"',
      'shape',
    ],
    [
      'a shape that does not fit its bytes',
      safetensors({ a: { dtype: 'F32', shape: [3], data_offsets: [0, 8] } }, 8),
      '12 bytes',
      '8 bytes',
    ],
    ['offsets that run backwards', safetensors({ a: { dtype: 'F32', shape: [0], data_offsets: [8, 0] } }, 8), 'data_offsets'],
    ['a header that is no JSON', safetensors('{"a":', 0), 'header', 'Fix:'],
    [
      'a tensor twice',
      safetensors('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
      'header',
    ],
  ])('%s', async (title, bytes, ...pieces) => {
    const folder = folderOf({ [weights]: bytes, 'config.json': readFileSync(join(published.image, 'config.json'), 'utf8') });
    await fails(`safetensors: ${title}`, () => loadPretrained(folder), 'corrupt-file', weights, ...pieces);
  });
});

describe('weights that do not fit the network', () => {
  test('wrong shapes: the config is of another width', async () => {
    const folder = copyOf(published.image);
    editJson(folder, 'config.json', (config) => (config.depth_multiplier = 0.5));
    await fails(
      'wrong shapes',
      () => loadPretrained(folder),
      'weight-mismatch',
      'mobilenet-v2',
      folder,
      'expected [',
      'received [',
      'more',
      'Fix:',
    );
  });

  test('missing and unexpected tensors, all in one error', async () => {
    const folder = copyOf(published.text);
    const { header, data } = takeApart(join(folder, weights));
    const name = Object.keys(header).find((key) => key.endsWith('layer.0.output.dense.bias'))!;
    header[name.replace('dense', 'dens')] = header[name];
    Reflect.deleteProperty(header, name);
    const text = JSON.stringify(header);
    writeFileSync(join(folder, weights), Buffer.concat([safetensors(text, 0), data]));
    const error = await fails(
      'missing and unexpected',
      () => loadPretrained(folder),
      'weight-mismatch',
      'bert',
      'missing',
      'unexpected',
      'may be',
      'Fix:',
    );
    expect((error.details['mismatches'] as unknown[]).length).toBe(2);
  });

  test('a config that asks for more layers than there are', async () => {
    const folder = copyOf(published.text);
    editJson(folder, 'config.json', (config) => (config.num_hidden_layers += 1));
    await fails('missing tensors', () => loadPretrained(folder), 'weight-mismatch', 'missing', '16 of 53', 'more layers than it has');
  });

  test('the wrong family, named by the caller', async () => {
    await fails(
      'wrong family: bert',
      () => loadPretrained({ backbone: 'bert', source: published.image }),
      'bad-config',
      published.image,
      'Expected: bert',
      'Received: mobilenet-v2',
      'Fix:',
    );
    await fails(
      'wrong family: mobilenet',
      () => loadPretrained({ backbone: 'mobilenet-v2', source: published.text }),
      'bad-config',
      'Expected: mobilenet-v2',
      'Received: bert',
      'Fix:',
    );
    await fails(
      'wrong family: static',
      () => loadPretrained({ backbone: 'static-embedding', source: published.text }),
      'bad-config',
      'Expected: static-embedding',
      'Fix:',
    );
    await fails(
      'wrong family: graph',
      () => loadPretrained({ backbone: 'keras-graph', source: published.image }),
      'bad-config',
      'Expected: keras-graph',
      'Fix:',
    );
    await fails(
      'wrong family: tfjs',
      () => loadPretrained({ backbone: 'bert', source: published.tfjs }),
      'bad-config',
      'Expected: bert',
      'Received: keras-graph',
      'Fix:',
    );
  });

  test('the weights of one family under the config of another', async () => {
    const folder = copyOf(published.text);
    copyFileSync(join(published.image, weights), join(folder, weights));
    await fails('weights of another family', () => loadPretrained(folder), 'weight-mismatch', 'another family than bert', 'Fix:');
  });

  test('a family that nobody knows', async () => {
    const folder = copyOf(published.text);
    editJson(folder, 'config.json', (config) => Object.assign(config, { model_type: 'llama', architectures: ['LlamaForCausalLM'] }));
    await fails('unknown family', () => loadPretrained(folder), 'bad-config', 'no family recognises', '"llama"', 'Fix:');
    await fails(
      'unknown backbone name',
      () => loadPretrained({ backbone: 'mobilnet-v2', source: published.image }),
      'unknown-name',
      'Did you mean "mobilenet-v2"?',
    );
  });
});

describe('a configuration that cannot be', () => {
  const spoilt = (checkpoint: string, edit: (config: any) => void): string => {
    const folder = copyOf(checkpoint);
    editJson(folder, 'config.json', edit);
    return folder;
  };

  test.each([
    ['a vocabulary of 10^12', (config: any) => (config.vocab_size = 1e12)],
    ['a million layers', (config: any) => (config.num_hidden_layers = 1e6)],
    ['500 layers', (config: any) => (config.num_hidden_layers = 500)],
    ['a large vocabulary that its weights do not have', (config: any) => (config.vocab_size = 7e6)],
    ['a hidden size of -1', (config: any) => (config.hidden_size = -1)],
    ['a hidden size of text', (config: any) => (config.hidden_size = '16')],
    ['heads that do not divide', (config: any) => (config.num_attention_heads = 3)],
    ['an unknown activation', (config: any) => (config.hidden_act = 'gelo')],
    ['a setting that changes the numbers', (config: any) => (config.position_embedding_type = 'relative_key')],
    ['a setting that nobody knows', (config: any) => (config.sparse_attention = true)],
    ['nothing in it', (config: any) => Object.keys(config).forEach((key) => Reflect.deleteProperty(config, key))],
  ])('%s', async (title, edit) => {
    const folder = spoilt(published.text, edit);
    const started = performance.now();
    await fails(`bert config: ${title}`, () => loadPretrained(folder), 'bad-config', folder, 'Fix:');
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('a width of a million', async () => {
    await fails(
      'mobilenet config',
      () => loadPretrained(spoilt(published.image, (config) => (config.depth_multiplier = 1e6))),
      'bad-config',
      'depth_multiplier',
      'at most 4',
    );
  });

  test('a keras layer of 10^9 units', async () => {
    const folder = copyOf(published.tfjs);
    const text = readFileSync(join(folder, 'model.json'), 'utf8');
    const load = (filters: number) => {
      writeFileSync(join(folder, 'model.json'), text.replace(/"filters": ?\d+/, `"filters":${filters}`));
      return loadPretrained({ source: folder, config: { pixels: 'zero-to-one' } });
    };
    await fails('keras config: a layer of 10^9', () => load(1e9), 'unsupported', '"convolution"', 'more than the cap', 'Fix:');
    await fails(
      'keras config: a layer of 5 million',
      () => load(5e6),
      'bad-config',
      folder,
      'than its weights can fill',
      '5000000',
      'Fix:',
    );
  });

  test('text that is no JSON, an array, and keys that reach for prototypes', async () => {
    const folder = copyOf(published.image);
    writeFileSync(join(folder, 'config.json'), '{"model_type": "mobilenet_v2",');
    await fails('config that is no JSON', () => loadPretrained(folder), 'bad-config', 'config.json', 'JSON', 'Fix:');
    writeFileSync(join(folder, 'config.json'), '[]');
    await fails('config that is an array', () => loadPretrained(folder), 'bad-config', 'config.json', 'an array');
    const config = readFileSync(join(published.image, 'config.json'), 'utf8').replace('{', '{"__proto__":{"depth_multiplier":4},');
    writeFileSync(join(folder, 'config.json'), config);
    await fails('config with __proto__', () => loadPretrained(folder), 'bad-config', '"__proto__"');
    expect(({} as Record<string, unknown>)['depth_multiplier']).toBeUndefined();
  });

  test('overrides that do not exist', async () => {
    await fails(
      'config override',
      () => loadPretrained({ source: published.text, config: { poolin: 'cls' } }),
      'unknown-name',
      'Did you mean "pooling"?',
    );
    await fails(
      'config override of Object',
      () => loadPretrained({ source: published.text, config: { constructor: 'cls' } as never }),
      'unknown-name',
      'constructor',
    );
    await fails(
      'config override value',
      () => loadPretrained({ source: published.text, config: { pooling: 'median' } }),
      'unknown-name',
      'median',
      'mean, cls, max',
    );
    await fails(
      'input override',
      () => loadPretrained({ source: published.text, input: { maxLenght: 8 } }),
      'bad-config',
      'did you mean "maxLength"?',
    );
    await fails(
      'input override value',
      () => loadPretrained({ source: published.text, input: { maxLength: 0 } }),
      'bad-config',
      '"maxLength"',
      'Received: 0',
    );
    await fails(
      'image input override',
      () => loadPretrained({ source: published.image, input: { means: [0, 0, 0] } }),
      'bad-config',
      'did you mean "mean"?',
    );
  });
});

describe('a tokenizer that is broken', () => {
  const withTokenizer = (content: string): string => {
    const folder = copyOf(published.text);
    writeFileSync(join(folder, 'tokenizer.json'), content);
    return folder;
  };

  test.each([
    ['cut short', '{"version":"1.0","model":{"type":"WordPiece","vocab":{"[PAD]":0,', 'corrupt-file', 'tokenizer.json'],
    ['empty', '', 'corrupt-file', 'tokenizer.json'],
    ['without a model', '{}', 'corrupt-file', 'tokenizer.json'],
    ['of a kind that is not known', '{"model":{"type":"Oracle","vocab":{}}}', 'corrupt-file', 'tokenizer.json'],
    [
      'with a vocabulary that is a number',
      '{"model":{"type":"WordPiece","unk_token":"[UNK]","vocab":5}}',
      'corrupt-file',
      'tokenizer.json',
    ],
  ])('%s', async (title, content, code, ...pieces) => {
    await fails(`tokenizer: ${title}`, () => loadPretrained(withTokenizer(content)), code, 'Fix:', ...pieces);
  });

  test('that is not there', async () => {
    const folder = copyOf(published.text);
    for (const name of ['tokenizer.json', 'vocab.txt']) rmSync(join(folder, name));
    await fails('no tokenizer', () => loadPretrained(folder), 'not-found', 'tokenizer.json', 'vocab.txt', 'Fix:');
  });

  test('of another checkpoint, whose ids the network does not know', async () => {
    const folder = copyOf(published.text);
    editJson(folder, 'tokenizer.json', (json) => {
      json.model.vocab.rose = 1_000_000;
      json.added_tokens = json.added_tokens.map((token: any) => ({ ...token }));
    });
    using base = await loadPretrained<'text'>(folder);
    await fails('foreign tokenizer', () => base.embed('a rose'), 'bad-config', 'token 1000000', 'Fix:');
  });
});

describe('a place with nothing to load', () => {
  test('an empty folder, a missing folder, a folder of other things', async () => {
    const empty = emptyFolder();
    await fails('empty folder', () => loadPretrained(empty), 'not-found', empty, 'no weights', 'received: nothing', 'Fix:');
    await fails('missing folder', () => loadPretrained('./no-such-folder'), 'not-found', 'no-such-folder');
    await fails(
      'a Hub id without hf://',
      () => loadPretrained('google/mobilenet_v2_1.0_224'),
      'not-found',
      'hf://google/mobilenet_v2_1.0_224',
    );
    await fails('a mistyped name', () => loadPretrained('mobilenetv2'), 'not-found', 'Did you mean "mobilenet-v2"?');
    await fails(
      'torch weights only',
      () => loadPretrained(folderOf({ 'pytorch_model.bin': 'x', 'config.json': '{}' })),
      'not-found',
      'pytorch_model.bin',
      'Fix:',
    );
  });

  test('names that every object has', async () => {
    for (const name of ['constructor', 'toString', '__proto__'])
      await fails(`name ${name}`, () => loadPretrained(name), 'not-found', `"${name}"`);
  });

  test('no name at all', async () => {
    for (const id of [undefined, null, 5]) await fails(`id ${String(id)}`, () => loadPretrained(id as never), 'bad-option', 'Received:');
  });

  test('two weight files, and none that is the main one', async () => {
    const one = writeSafetensors(new Map([['w', { shape: [1], values: new Float32Array(1) }]]));
    await fails(
      'two files',
      () => loadPretrained(folderOf({ 'a.safetensors': one, 'b.safetensors': one })),
      'not-found',
      'a.safetensors, b.safetensors',
      'Fix:',
    );
  });

  test('an index whose shard is missing', async () => {
    const folder = folderOf({
      'model.safetensors.index.json': '{"weight_map":{"w":"model-1.safetensors"}}',
      'config.json': '{"model_type":"bert"}',
    });
    await fails('missing shard', () => loadPretrained(folder), 'corrupt-file', 'model-1.safetensors', 'Fix:');
  });
});
