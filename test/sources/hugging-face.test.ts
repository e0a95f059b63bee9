import { downloadFile, modelInfo } from '@huggingface/hub';
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { huggingFace, huggingFaceUri } from '../../src/sources/hugging-face.js';
import type { Checkpoint, SourceContext } from '../../src/sources/source.js';
import { writeSafetensors } from '../../src/weights/write-safetensors.js';
import { expectError } from '../weights/expect-error.js';
import { startHub, type RunningHub } from './hub-server.js';
import { temporaryFolder, testRuntime } from './test-runtime.js';

const tensor = (...values: number[]) => ({ shape: [values.length], values: new Float32Array(values) });
const weights = (tensors: Record<string, ReturnType<typeof tensor>>) => writeSafetensors(new Map(Object.entries(tensors)));
const shardIndex = (weight_map: Record<string, string>) => JSON.stringify({ metadata: { total_size: 8 }, weight_map });

let hub: RunningHub;
let cacheDir: string;

beforeEach(async () => {
  cacheDir = temporaryFolder();
  hub = await startHub({
    repos: {
      'acme/net': {
        files: {
          'config.json': '{"model_type":"bert"}',
          'model.safetensors': weights({ a: tensor(1, 2), b: tensor(3) }),
          '1_Pooling/config.json': '{"pooling_mode_mean_tokens":true}',
          'README.md': '# net',
        },
        license: 'apache-2.0',
        branches: ['v1', 'refs/pr/1'],
      },
      'acme/sharded': {
        files: {
          'model.safetensors.index.json': shardIndex({ a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' }),
          'model-00001-of-00002.safetensors': weights({ a: tensor(1) }),
          'model-00002-of-00002.safetensors': weights({ b: tensor(2) }),
        },
      },
      'timm/net': {
        files: {
          'config.json': '{"architecture":"mobilenetv2_100"}',
          'model.safetensors': weights({ 'conv_stem.weight': tensor(1) }),
          'pytorch_model.bin': 'x',
        },
      },
      'minish/potion': { files: { 'embeddings.safetensors': weights({ embeddings: tensor(1) }) } },
      'acme/private': { files: { 'model.safetensors': weights({ a: tensor(1) }) }, token: 'hf_secret' },
      'acme/gated': { files: {}, gated: true },
      'acme/torch': { files: { 'pytorch_model.bin': 'x', 'config.json': '{}' } },
    },
  });
});

afterEach(async () => {
  await hub.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

const open = (repo: string, context: Partial<SourceContext> = {}, revision?: string): Promise<Checkpoint> =>
  huggingFace(repo, revision === undefined ? {} : { revision }).open({
    runtime: testRuntime(),
    endpoint: hub.endpoint,
    cacheDir,
    ...context,
  });

const values = async (checkpoint: Checkpoint, name: string): Promise<number[]> => [...(await checkpoint.tensor(name)).values];
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

test('the test server speaks the routes that the Hub client uses', async () => {
  const options = { hubUrl: hub.endpoint };
  const info = await modelInfo({ name: 'acme/net', additionalFields: ['sha', 'tags'], ...options });
  expect(info.sha).toBe(hub.commitOf('acme/net'));
  expect(info.tags).toEqual(['license:apache-2.0']);
  const file = await downloadFile({ repo: 'acme/net', path: 'model.safetensors', xet: false, ...options });
  expect(file!.size).toBe((hub.repos['acme/net']!.files['model.safetensors'] as Uint8Array).length);
  expect(await downloadFile({ repo: 'acme/net', path: 'none.json', ...options })).toBeNull();
});

describe('a repository', () => {
  test('gives config, tensors, companions, licence and commit', async () => {
    const checkpoint = await open('acme/net');
    expect(checkpoint.origin).toBe('hf://acme/net');
    expect(checkpoint.revision).toBe(hub.commitOf('acme/net'));
    expect(checkpoint.license).toBe('apache-2.0');
    expect(checkpoint.config).toEqual({ model_type: 'bert' });
    expect([...checkpoint.tensors]).toEqual([
      ['a', { dtype: 'F32', shape: [2] }],
      ['b', { dtype: 'F32', shape: [1] }],
    ]);
    expect(await values(checkpoint, 'a')).toEqual([1, 2]);
    expect(checkpoint.names).toEqual(['config.json', 'model.safetensors', 'README.md', '1_Pooling/config.json']);
    expect(text(await checkpoint.file('1_Pooling/config.json'))).toContain('mean_tokens');
    expect(await checkpoint.file('tokenizer.json')).toBeUndefined();
    expect(await checkpoint.file('../acme/net/config.json')).toBeUndefined();
    await expectError(checkpoint.tensor('aa'), 'not-found', 'hf://acme/net', 'Did you mean "a"');
  });

  test('is fetched once', async () => {
    await open('acme/net');
    hub.log.length = 0;
    await (await open('acme/net')).tensor('a');
    expect(hub.log.map(({ path }) => path)).toEqual(['/api/models/acme/net/revision/main']);
  });

  test('by branch, pull request and commit', async () => {
    for (const revision of ['v1', 'refs/pr/1', hub.commitOf('acme/net')]) {
      const checkpoint = await open('acme/net', {}, revision);
      expect(checkpoint.origin).toBe(`hf://acme/net@${revision}`);
      expect(await values(checkpoint, 'b')).toEqual([3]);
    }
    hub.log.length = 0;
    await open('acme/net', {}, hub.commitOf('acme/net'));
    expect(hub.log).toEqual([]); // a commit never changes
  });

  test('of several shards', async () => {
    const checkpoint = await open('acme/sharded');
    expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b']);
    expect(await values(checkpoint, 'b')).toEqual([2]);
    expect(checkpoint.config).toEqual({});
    expect(checkpoint.license).toBeUndefined();
  });

  test('of timm, and with one weight file of another name', async () => {
    expect((await open('timm/net')).config).toEqual({ architecture: 'mobilenetv2_100' });
    expect([...(await open('minish/potion')).tensors.keys()]).toEqual(['embeddings']);
  });

  test('whose main branch moves on is fetched again', async () => {
    const before = await open('acme/net');
    hub.repos['acme/net'] = { files: { 'model.safetensors': weights({ a: tensor(9) }) } };
    const after = await open('acme/net');
    expect(after.revision).not.toBe(before.revision);
    expect(await values(after, 'a')).toEqual([9]);
    expect(await values(before, 'a')).toEqual([1, 2]);
  });

  test('of a mirror that tells no sizes', async () => {
    const body = JSON.stringify({
      sha: hub.commitOf('acme/net'),
      siblings: [{ rfilename: 'model.safetensors' }, { rfilename: '../evil.safetensors' }],
    });
    hub.faults.push({ match: /api/, body: new TextEncoder().encode(body) });
    expect(await values(await open('acme/net'), 'a')).toEqual([1, 2]);
  });

  test('named by the environment', async () => {
    const runtime = testRuntime({ HF_ENDPOINT: `${hub.endpoint}/`, HF_TOKEN: 'hf_secret' });
    const checkpoint = await huggingFace('acme/private').open({ runtime, cacheDir });
    expect(await values(checkpoint, 'a')).toEqual([1]);
    const older = testRuntime({ HF_ENDPOINT: hub.endpoint, HUGGING_FACE_HUB_TOKEN: 'hf_secret' });
    await huggingFace('acme/private').open({ runtime: older, cacheDir: temporaryFolder() });
  });

  test('after close() is not read', async () => {
    const checkpoint = await open('acme/net');
    await checkpoint.close();
    await checkpoint.close();
    await expectError(checkpoint.tensor('a'), 'disposed', 'close()');
    await expectError(checkpoint.file('README.md'), 'disposed', 'README.md');
  });

  test('progress names the files', async () => {
    const files = new Set<string>();
    await open('acme/net', { onProgress: ({ file }) => void files.add(file) });
    expect([...files]).toEqual(['model.safetensors', 'config.json']);
  });
});

describe('the token', () => {
  test('reaches the Hub and never the CDN', async () => {
    const checkpoint = await open('acme/private', { token: 'hf_secret' });
    expect(await values(checkpoint, 'a')).toEqual([1]);
    const sent = (host: string) => hub.log.filter((entry) => entry.host === host).map(({ headers }) => headers.authorization);
    expect(sent('hub')).toEqual(['Bearer hf_secret', 'Bearer hf_secret']);
    expect(sent('cdn')).toEqual([undefined]);
    expect(JSON.stringify(hub.log.filter(({ host }) => host === 'cdn'))).not.toContain('hf_secret');
  });

  test('is in no message and in no detail', async () => {
    hub.faults.push({ match: /cdn/, status: 500 });
    const error = await expectError(open('acme/private', { token: 'hf_secret' }), 'network', '500');
    const all = `${error.message} ${error.stack} ${JSON.stringify(error.details)} ${String(error.cause)}`;
    expect(all).not.toContain('hf_secret');
    expect(all).not.toContain('secret-signature');
  });
});

describe('what can go wrong', () => {
  test('no such repository, or one that is hidden', async () => {
    await expectError(open('acme/nothing'), 'not-found', 'no repository "acme/nothing", or it is private', '401', 'HF_TOKEN');
    await expectError(open('acme/nothing', { token: 'x' }), 'not-found', '404', 'the token is valid');
    await expectError(open('acme/private'), 'not-found', 'or it is private');
  });

  test('401 without a reason, and a gated repository', async () => {
    await expectError(open('acme/gated'), 'unauthorized', '"acme/gated" is gated', `accept its terms on ${hub.endpoint}/acme/gated`);
    hub.faults.push({ match: /api/, status: 401 });
    await expectError(open('acme/net'), 'unauthorized', 'refuses to give "acme/net"', '401');
  });

  test('no such revision', async () => {
    await expectError(open('acme/net', {}, 'v9'), 'not-found', 'no revision "v9"');
  });

  test('404 of a server that gives no reason', async () => {
    hub.faults.push({ match: /api/, status: 404, times: 1 }, { match: /resolve/, status: 404 });
    await expectError(open('acme/net'), 'not-found', '"acme/net" with a revision "main"');
    await expectError(open('acme/net'), 'not-found', 'no file "model.safetensors"');
  });

  test('a connection that is cut is continued, and one that is always cut is told', async () => {
    hub.faults.push({ match: /cdn/, times: 2, cutAfter: 20 });
    expect(await values(await open('acme/net'), 'a')).toEqual([1, 2]);
    hub.faults.push({ match: /cdn/, cutAfter: 0 });
    await expectError(open('timm/net'), 'network', 'failed');
  });

  test('429 with a wait', async () => {
    hub.faults.push({ match: /api/, times: 1, status: 429, headers: { 'retry-after': '0' } });
    await open('acme/net');
    hub.faults.push({ match: /api/, status: 429, headers: { 'retry-after': '600' } });
    await expectError(open('timm/net'), 'network', '429', '600 s');
  });

  test('offline works with what is cached, and says what is not', async () => {
    await open('acme/net');
    hub.log.length = 0;
    const checkpoint = await open('acme/net', { offline: true });
    expect(await values(checkpoint, 'b')).toEqual([3]);
    await expectError(checkpoint.file('1_Pooling/config.json'), 'offline', 'config.json');
    await expectError(open('timm/net', { offline: true }), 'offline', 'main.json');
    expect(hub.log).toEqual([]);
  });

  test('without a network the cached revision serves', async () => {
    await open('acme/net');
    await hub.close();
    expect(await values(await open('acme/net'), 'b')).toEqual([3]);
    await expectError(open('timm/net'), 'network', 'ECONNREFUSED');
  });

  test('no weights that can be read', async () => {
    await expectError(open('acme/torch'), 'not-found', 'pytorch_model.bin', 'model.safetensors');
  });

  test('a page instead of an answer', async () => {
    hub.faults.push({ match: /api/, body: new TextEncoder().encode('<html>Log in</html>') });
    await expectError(open('acme/net'), 'corrupt-file', 'should hold a JSON object');
  });

  test('an answer without a commit', async () => {
    hub.faults.push({ match: /api/, body: new TextEncoder().encode('{"sha":"main","siblings":[]}') });
    await expectError(open('acme/net'), 'corrupt-file', 'sha', '40 hexadecimal digits');
  });

  test('a config that is broken', async () => {
    hub.repos['acme/net'] = { files: { 'config.json': '{', 'model.safetensors': weights({ a: tensor(1) }) } };
    await expectError(open('acme/net'), 'bad-config', 'config.json');
  });

  test('weights that are cut short at their keeper', async () => {
    hub.repos['acme/net'] = { files: { 'model.safetensors': weights({ a: tensor(1) }).slice(0, -1) } };
    await expectError(open('acme/net'), 'corrupt-file', 'model.safetensors', 'ends before its tensors do');
  });

  test('an abort', async () => {
    await expectError(open('acme/net', { signal: AbortSignal.abort() }), 'aborted');
  });

  test.each(['hf://', 'hf://a/b/c', 'hf://a b/c', 'hf://../x', 'hf://acme/net@../../x', 'hf://acme/net@'])(
    'the address %s',
    async (uri) => {
      await expectError(() => huggingFaceUri(uri), 'bad-option', 'hf://owner/repo@revision');
    },
  );
});
