/** A Hub, a network and a cache that misbehave, as a caller of `loadPretrained` meets them. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadPretrained, runtime, type LoadOptions } from 'transferkit';
import { startHub, type RunningHub } from '../sources/hub-server.js';
import { emptyFolder, fails, published } from './fixtures.js';

await runtime.chooseBackend('wasm');

const filesOf = (folder: string): Record<string, Uint8Array> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));

let hub: RunningHub;
let cacheDir: string;

beforeAll(async () => {
  const files = filesOf(published.text);
  hub = await startHub({
    repos: {
      'acme/bert': { files, license: 'apache-2.0' },
      'acme/private': { files, token: 'hf_right' },
      'acme/gated': { files, gated: true },
      'acme/torch': { files: { 'pytorch_model.bin': 'x', 'config.json': files['config.json']! } },
    },
  });
});
afterAll(() => hub.close());
beforeEach(() => {
  hub.faults.length = 0;
  hub.log.length = 0;
  cacheDir = emptyFolder();
});

const quickRetries = {
  ...runtime,
  download: (request: Parameters<typeof runtime.download>[0]) => runtime.download({ retryDelayMs: 1, ...request }),
};
const load = (repo: string, options: LoadOptions = {}) =>
  loadPretrained<'text'>(`hf://acme/${repo}`, { endpoint: hub.endpoint, cacheDir, runtime: quickRetries, ...options });
const works = async (options: LoadOptions = {}): Promise<number[]> => {
  using base = await load('bert', options);
  return Array.from((await base.embed('a rose')).values);
};
const cached = (name: string): string => {
  const found = readdirSync(cacheDir, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith(`/${name}`));
  return join(cacheDir, found!);
};

describe('the Hub', () => {
  test('knows no such repository, revision or weights (404)', async () => {
    await fails('404 repository', () => load('brt', { token: 'hf_any' }), 'not-found', '"acme/brt"', '404', 'Fix:');
    await fails('404 revision', () => load('bert@v9'), 'not-found', 'no revision "v9"', 'Fix:');
    await fails('no safetensors', () => load('torch'), 'not-found', 'hf://acme/torch', 'pytorch_model.bin', 'safetensors', 'Fix:');
  });

  test('asks for a token, or refuses the one it got (401, 403)', async () => {
    await fails('401 without token', () => load('private'), 'not-found', '"acme/private"', 'private', 'token', 'HF_TOKEN');
    await fails('wrong token', () => load('private', { token: 'hf_wrong' }), 'not-found', 'check that the token is valid');
    await fails('gated', () => load('gated', { token: 'hf_right' }), 'unauthorized', 'gated', 'accept its terms', hub.endpoint);
    hub.faults.push({ match: /hub GET \/api/, status: 401 });
    const error = await fails(
      '401 from a mirror',
      () => load('bert', { token: 'hf_secret_token' }),
      'unauthorized',
      '"acme/bert"',
      '401',
      'Fix:',
    );
    expect(JSON.stringify([error.message, error.details])).not.toContain('hf_secret_token');
    hub.faults.length = 0;
    using base = await load('private', { token: 'hf_right' });
    expect(base.provenance.origin).toBe('hf://acme/private');
  });

  test('cuts the connection for good, and the next try goes on where it stopped', async () => {
    hub.faults.push({ match: /cdn GET/, cutAfter: 20_000, times: 1 }, { match: /cdn GET/, cutAfter: 0 });
    const error = await fails('cut connection', () => load('bert'), 'network', 'model', 'Fix: check the network', 'kept');
    expect(error.retryable).toBe(true);
    hub.faults.length = 0;
    hub.log.length = 0;
    await works();
    expect(hub.log.find(({ host }) => host === 'cdn')!.headers.range).toBe('bytes=20000-');
  });

  test('is out of order, or is no Hub', async () => {
    hub.faults.push({ match: /hub GET \/api/, status: 503 });
    const error = await fails('503', () => load('bert'), 'network', '503', 'Fix: try again later');
    expect(error.retryable).toBe(true);
    hub.faults.splice(0, 1, { match: /hub GET \/api/, body: new TextEncoder().encode('<html>Log in to the airport</html>') });
    await fails('a captive portal', () => load('bert'), 'corrupt-file', 'JSON', 'Fix:');
    cacheDir = emptyFolder();
    hub.faults.splice(0, 1, { match: /hub GET \/api/, status: 200, times: 1 });
    await fails('an empty answer', () => load('bert'), 'corrupt-file', 'JSON', 'Fix:');
    await works();
    await fails(
      'nobody listens',
      () => load('bert', { endpoint: 'http://127.0.0.1:9' }),
      'network',
      '127.0.0.1:9',
      'Fix: check the network',
    );
  });

  test('gives other bytes than it promised', async () => {
    hub.faults.push({ match: /cdn GET/, body: new Uint8Array(statSync(join(published.text, 'model.safetensors')).size) });
    await fails('wrong bytes', () => load('bert'), 'corrupt-file', 'SHA-256', 'nothing was kept');
    hub.faults.length = 0;
    await works();
  });

  test('an address that is none', async () => {
    await fails('hf:// alone', () => loadPretrained('hf://'), 'bad-option', 'hf://owner/repo@revision');
    await fails('hf:// that climbs', () => loadPretrained('hf://../..'), 'bad-option', 'hf://owner/repo');
    await fails('another scheme', () => loadPretrained('s3://bucket/model'), 'unknown-name', 's3://bucket/model', 'hf://owner/repo');
  });
});

describe('the cache', () => {
  test('a corrupt entry is fetched anew, and offline it is called damaged', async () => {
    const before = await works();
    const path = cached('model.safetensors');
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 0xff;
    writeFileSync(path, bytes);
    utimesSync(path, new Date(0), new Date(0));
    await fails(
      'corrupt entry, offline',
      () => load('bert', { offline: true }),
      'offline',
      'model.safetensors',
      'damaged in the cache',
      'Fix:',
    );
    expect(await works()).toEqual(before);
    expect(await works({ offline: true })).toEqual(before);
  });

  test('offline with nothing in it', async () => {
    await fails('offline, nothing cached', () => load('bert', { offline: true }), 'offline', 'not in the cache', 'Fix:');
    expect(hub.log).toEqual([]);
  });

  const mount = (options: string): boolean => spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', cacheDir]).status === 0;
  const unmount = () => spawnSync('umount', [cacheDir]);

  test('on a disk that is full', async (context) => {
    if (!mount('size=32k')) context.skip('needs the right to mount a small tmpfs');
    try {
      await fails('full disk', () => load('bert'), 'storage', 'the disk is full', 'ENOSPC', cacheDir, 'cacheDir', 'TRANSFERKIT_CACHE');
    } finally {
      unmount();
    }
  });

  test('on a disk that is read-only serves what it holds', async (context) => {
    if (!mount('size=2m')) context.skip('needs the right to mount a small tmpfs');
    try {
      const before = await works();
      spawnSync('mount', ['-o', 'remount,ro', cacheDir]);
      expect(await works()).toEqual(before);
      await fails('read-only disk', () => load('private', { token: 'hf_right' }), 'storage', 'read-only', 'EROFS', cacheDir, 'Fix:');
    } finally {
      unmount();
    }
  });

  test('in a place that is a file', async () => {
    const place = join(cacheDir, 'file');
    writeFileSync(place, 'x');
    await fails('a file as cache folder', () => load('bert', { cacheDir: place }), 'storage', place, 'cacheDir');
    expect(readFileSync(place, 'utf8')).toBe('x');
  });
});

test('aborting a download is an error of its own', async () => {
  await fails('aborted download', () => load('bert', { signal: AbortSignal.abort() }), 'aborted');
});
