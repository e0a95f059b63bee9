import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { defaultCacheDir, download } from '../../src/runtimes/node/download.js';
import { expectError } from '../weights/expect-error.js';
import {
  cacheDir,
  cdnRequests,
  content,
  fetchBytes,
  hub,
  isContent,
  left,
  misbehave,
  place,
  request,
  sha256,
  useDownloadBench,
  weights,
} from './download-bench.js';

useDownloadBench();

describe('the cache', () => {
  test('a damaged entry of another length is fetched anew', async () => {
    await fetchBytes();
    writeFileSync(place(), content.subarray(0, 100));
    expect(await fetchBytes()).toSatisfy(isContent);
  });

  test('a damaged entry of the same length is fetched anew', async () => {
    await fetchBytes();
    const damaged = content.slice();
    damaged[5]! ^= 1;
    writeFileSync(place(), damaged);
    utimesSync(place(), new Date(0), new Date(0));
    expect(await fetchBytes()).toSatisfy(isContent);
  });

  test('a damaged entry cannot be mended offline', async () => {
    await fetchBytes();
    writeFileSync(place(), content.subarray(0, 100));
    await expectError(fetchBytes({ offline: true }), 'offline', 'damaged in the cache');
  });

  test('a broken record, and one that is missing', async () => {
    await fetchBytes();
    writeFileSync(place('.tk-record'), '{');
    expect(await fetchBytes()).toSatisfy(isContent);
    rmSync(place('.tk-record'));
    expect(await fetchBytes()).toSatisfy(isContent);
  });

  test('an entry of another size or hash than is asked for', async () => {
    await fetchBytes({}, 'config.json');
    await expectError(fetchBytes({ sha256 }, 'config.json'), 'corrupt-file');
  });

  test('offline with nothing cached names the file', async () => {
    await expectError(fetchBytes({ offline: true }), 'offline', weights, 'not in the cache', hub.endpoint);
    expect(hub.log).toEqual([]);
  });

  test('a file that vanishes after it was found', async () => {
    const file = await download(request());
    rmSync(place());
    await expectError(file.read(0, 10), 'storage');
  });

  test('a file that vanishes while the server is asked about it', async () => {
    await fetchBytes({}, 'config.json');
    misbehave({ match: /hub/, delayMs: 300 });
    const asking = fetchBytes({ revalidate: true }, 'config.json');
    await new Promise((done) => setTimeout(done, 100));
    rmSync(join(cacheDir, 'net', 'config.json'));
    const error = await expectError(asking, 'storage', 'vanished from the cache');
    expect(error.retryable).toBe(true);
  });

  test.each(['../x', 'a/../b', '/a', 'a//b', 'a\\b', 'c:x', 'x.tk-lock', ''])('a key may not be %j', async (key) => {
    await expectError(fetchBytes({ key }), 'bad-option', 'place in the cache');
  });

  test('where it is', () => {
    expect(defaultCacheDir({ TRANSFERKIT_CACHE: '/own' })).toBe('/own');
    expect(defaultCacheDir({ XDG_CACHE_HOME: '/xdg' })).toBe(join('/xdg', 'transferkit'));
    expect(defaultCacheDir({}, 'linux')).toBe(join(homedir(), '.cache', 'transferkit'));
    expect(defaultCacheDir({}, 'darwin')).toContain('Caches');
    expect(defaultCacheDir({ LOCALAPPDATA: 'C:/Local' }, 'win32')).toContain('Local');
    expect(defaultCacheDir({}, 'win32')).toContain('AppData');
  });
});

describe('stopping', () => {
  test('an abort keeps what has arrived, and the next call goes on from there', async () => {
    misbehave({ match: /cdn/, times: 1, cutAfter: 200_000 });
    const controller = new AbortController();
    const onProgress = ({ loaded }: { loaded: number }) => loaded > 100_000 && controller.abort();
    await expectError(fetchBytes({ signal: controller.signal, onProgress }), 'aborted', 'kept');
    expect(left()).toEqual([`${weights}.tk-part`, `${weights}.tk-part-record`]);
    expect(await fetchBytes()).toSatisfy(isContent);
    expect(cdnRequests().at(-1)!.headers.range).toBeDefined();
  });

  test('an abort while waiting for another', async () => {
    misbehave({ match: /cdn/, delayMs: 500 });
    const first = fetchBytes();
    await new Promise((done) => setTimeout(done, 50));
    await expectError(fetchBytes({ signal: AbortSignal.timeout(50) }), 'aborted');
    expect(await first).toSatisfy(isContent);
  });

  test('an abort while waiting to try again', async () => {
    misbehave({ match: /hub/, status: 503 });
    await expectError(fetchBytes({ retryDelayMs: 10_000, signal: AbortSignal.timeout(100) }), 'aborted');
  });
});

describe('several processes', () => {
  const child = fileURLToPath(new URL('./download-child.ts', import.meta.url));
  const run = (): Promise<{ output: string; errors: string }> =>
    new Promise((done) => {
      const started = spawn(process.execPath, ['--import', 'tsx', child, request().url, request().key, cacheDir]);
      let output = '';
      let errors = '';
      started.stdout.on('data', (data) => (output += data));
      started.stderr.on('data', (data) => (errors += data));
      started.on('close', () => done({ output: output.trim(), errors }));
    });

  test('two at once end with one good file, downloaded once', async () => {
    misbehave({ match: /cdn/, delayMs: 1500 });
    const results = await Promise.all([run(), run()]);
    expect(results).toEqual([
      { output: sha256, errors: '' },
      { output: sha256, errors: '' },
    ]);
    expect(cdnRequests()).toHaveLength(1);
    expect(left()).toEqual([weights, `${weights}.tk-record`]);
  });

  test('the lock of a process that died is taken over', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    mkdirSync(join(cacheDir, 'net'));
    writeFileSync(place('.tk-lock'), JSON.stringify({ host: hostname(), pid, id: 'dead' }));
    expect(await fetchBytes()).toSatisfy(isContent);
  });

  test('a silent lock of another machine, and one that is no lock, are taken over after a while', async () => {
    mkdirSync(join(cacheDir, 'net'));
    for (const lock of [JSON.stringify({ host: 'elsewhere', pid: 1 }), 'nonsense']) {
      rmSync(place(), { force: true });
      writeFileSync(place('.tk-lock'), lock);
      const longAgo = new Date(Date.now() - 120_000);
      utimesSync(place('.tk-lock'), longAgo, longAgo);
      expect(await fetchBytes()).toSatisfy(isContent);
    }
  });

  test('many that find the same dead lock still make one download', async () => {
    mkdirSync(join(cacheDir, 'net'));
    writeFileSync(place('.tk-lock'), JSON.stringify({ host: hostname(), pid: 999_999_999, id: 'dead' }));
    await Promise.all(Array.from({ length: 10 }, () => fetchBytes()));
    expect(cdnRequests()).toHaveLength(1);
  });

  test('the lock of a live process elsewhere is respected', async () => {
    mkdirSync(join(cacheDir, 'net'));
    writeFileSync(place('.tk-lock'), JSON.stringify({ host: 'elsewhere', pid: 1 }));
    await expectError(fetchBytes({ signal: AbortSignal.timeout(400) }), 'aborted');
    expect(existsSync(place('.tk-lock'))).toBe(true);
  });
});

describe('a disk that refuses', () => {
  test('a cache folder that lies below a file', async () => {
    writeFileSync(join(cacheDir, 'file'), '');
    const error = await expectError(fetchBytes({ cacheDir: join(cacheDir, 'file', 'cache') }), 'storage', 'ENOTDIR', 'TRANSFERKIT_CACHE');
    expect(error.retryable).toBe(false);
  });

  /** A file system of the test's own, where the test may make one. */
  const mount = (options: string): boolean => spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', cacheDir]).status === 0;
  const unmount = () => spawnSync('umount', [cacheDir]);

  test('a full disk is told, and the part does not stay to fill it', async (context) => {
    if (!mount('size=128k')) context.skip('needs the right to mount a small tmpfs');
    try {
      await expectError(fetchBytes(), 'storage', 'ENOSPC', 'disk is full');
      expect(left()).toEqual([]);
    } finally {
      unmount();
    }
  });

  test('a read-only cache serves what it holds and refuses what it lacks', async (context) => {
    if (!mount('size=2m')) context.skip('needs the right to mount a small tmpfs');
    try {
      await fetchBytes();
      await fetchBytes({}, 'config.json');
      spawnSync('mount', ['-o', 'remount,ro', cacheDir]);
      expect(await fetchBytes()).toSatisfy(isContent);
      expect(await fetchBytes({ revalidate: true }, 'config.json')).toHaveLength(7);
      await expectError(fetchBytes({ key: 'other/model.bin' }), 'storage', 'EROFS', 'read-only');
    } finally {
      unmount();
    }
  });

  test('an entry file that is a folder', async () => {
    mkdirSync(place(), { recursive: true });
    await expectError(fetchBytes(), 'storage');
  });
});

test('the record says what is kept, without secrets', async () => {
  await fetchBytes({ url: `${request().url}?token=secret`, headers: { authorization: 'Bearer secret' } });
  const record = readFileSync(place('.tk-record'), 'utf8');
  expect(record).not.toContain('secret');
  expect(JSON.parse(record)).toMatchObject({ size: content.length, sha256 });
  expect(statSync(place()).size).toBe(content.length);
});
