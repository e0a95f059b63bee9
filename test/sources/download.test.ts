import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { download } from '../../src/runtimes/node/download.js';
import type { DownloadRequest } from '../../src/runtimes/runtime.js';
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

describe('a good server', () => {
  test('the file arrives, and the second time nothing is asked', async () => {
    expect(await fetchBytes()).toSatisfy(isContent);
    expect(left()).toEqual([weights, `${weights}.tk-record`]);
    const asked = hub.log.length;
    expect(await fetchBytes()).toSatisfy(isContent);
    expect(hub.log.length).toBe(asked);
  });

  test('progress rises to the total', async () => {
    const events: { loaded: number; total?: number; file: string }[] = [];
    await fetchBytes({ onProgress: (event) => void events.push(event) });
    expect(events.at(-1)).toEqual({ file: weights, loaded: content.length, total: content.length });
    expect(events.every((event, index) => event.loaded > (events[index - 1]?.loaded ?? 0))).toBe(true);
  });

  test('an empty file', async () => {
    hub.repos['acme/empty'] = { files: { 'merges.txt': '' } };
    const file = await download(request({ url: `${hub.endpoint}/acme/empty/resolve/main/merges.txt`, key: 'empty.txt' }));
    expect(file.size).toBe(0);
  });

  test('ten calls at once in one process are one download', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, () => fetchBytes()));
    expect(all.every((bytes) => bytes.length === content.length)).toBe(true);
    expect(cdnRequests()).toHaveLength(1);
  });

  test('private headers reach the first host only', async () => {
    await fetchBytes({ headers: { authorization: 'Bearer secret', cookie: 'a=b', 'x-plain': '1' } });
    expect(hub.log.find(({ host }) => host === 'hub')!.headers.authorization).toBe('Bearer secret');
    const { authorization, cookie, 'x-plain': plain } = cdnRequests()[0]!.headers;
    expect({ authorization, cookie, plain }).toEqual({ authorization: undefined, cookie: undefined, plain: '1' });
  });
});

describe('asking again', () => {
  const config = (changed: Partial<DownloadRequest> = {}) =>
    fetchBytes({ revalidate: true, ...changed }, 'config.json').then((bytes) => new TextDecoder().decode(bytes));

  test('what still holds is not sent again, what changed is', async () => {
    expect(await config()).toBe('{"a":1}');
    expect(await config()).toBe('{"a":1}');
    expect(hub.log.at(-1)!.headers['if-none-match']).toBeDefined();
    hub.repos['acme/net'] = { files: { 'config.json': '{"a":2}' } };
    expect(await config()).toBe('{"a":2}');
  });

  test('without a network, or with a busy server, what is cached serves', async () => {
    await config();
    misbehave({ match: /hub/, status: 503 });
    expect(await config()).toBe('{"a":1}');
    await hub.close();
    expect(await config()).toBe('{"a":1}');
    expect(await config({ offline: true })).toBe('{"a":1}');
  });

  test('a refusal is not hidden by what is cached', async () => {
    await config();
    misbehave({ match: /hub/, status: 403 });
    await expectError(config(), 'unauthorized', '403');
  });
});

describe('a bad connection', () => {
  test('a cut body is continued where it stopped', async () => {
    misbehave({ match: /cdn/, times: 1, cutAfter: 150_000 });
    expect(await fetchBytes()).toSatisfy(isContent);
    const [first, second] = cdnRequests();
    expect(first!.headers.range).toBeUndefined();
    expect(second!.headers.range).toMatch(/^bytes=\d{5,6}-$/);
    expect(second!.headers['if-range']).toMatch(/^"cdn-/);
  });

  test('as long as there is progress it goes on, however often it is cut', async () => {
    misbehave({ match: /cdn/, times: 5, cutAfter: 70_000 });
    expect(await fetchBytes()).toSatisfy(isContent);
    expect(cdnRequests()).toHaveLength(6);
  });

  test('without progress it gives up, and says that it may be tried again', async () => {
    misbehave({ match: /cdn/, cutAfter: 10 });
    const error = await expectError(fetchBytes(), 'network', 'the connection to', 'Fix:');
    expect(error.retryable).toBe(true);
    expect(error.message).not.toContain('secret-signature');
    expect(cdnRequests()).toHaveLength(4);
    expect(left()).toEqual([`${weights}.tk-part`, `${weights}.tk-part-record`]);
  });

  test('a server that ignores ranges sends the file from the start', async () => {
    misbehave({ match: /cdn/, times: 1, cutAfter: 150_000 });
    misbehave({ match: /cdn/, ignoreRange: true });
    expect(await fetchBytes()).toSatisfy(isContent);
  });

  test('a part whose server gives no validator is not trusted, unless the hash is known', async () => {
    misbehave({ match: /cdn/, times: 1, cutAfter: 150_000, noValidator: true });
    expect(await fetchBytes()).toSatisfy(isContent);
    expect(cdnRequests()[1]!.headers.range).toBeUndefined();
    rmSync(place());
    misbehave({ match: /cdn/, times: 1, cutAfter: 150_000, noValidator: true });
    expect(await fetchBytes({ sha256 })).toSatisfy(isContent);
    expect(cdnRequests().at(-1)!.headers.range).toBeDefined();
  });

  test('a part that is longer than the file, and one of a file that has changed', async () => {
    for (const validator of ['"cdn-other"', undefined]) {
      rmSync(join(cacheDir, 'net'), { recursive: true, force: true });
      mkdirSync(join(cacheDir, 'net'));
      writeFileSync(place('.tk-part'), new Uint8Array(500_000));
      writeFileSync(place('.tk-part-record'), JSON.stringify({ validator }));
      expect(await fetchBytes({ sha256 })).toSatisfy(isContent);
    }
  });

  test('a part with wrong bytes is found out by the hash, and fetched anew', async () => {
    mkdirSync(join(cacheDir, 'net'));
    writeFileSync(place('.tk-part'), new Uint8Array(1000));
    const validator = `"cdn-${createHash('md5').update(content).digest('hex')}"`;
    writeFileSync(place('.tk-part-record'), JSON.stringify({ validator, linkedEtag: sha256 }));
    expect(await fetchBytes()).toSatisfy(isContent);
    expect(cdnRequests().map(({ headers }) => headers.range)).toEqual(['bytes=1000-', undefined]);
  });

  test('429 waits as long as it is told', async () => {
    misbehave({ match: /hub/, times: 1, status: 429, headers: { 'retry-after': '1' } });
    const started = performance.now();
    expect(await fetchBytes()).toSatisfy(isContent);
    expect(performance.now() - started).toBeGreaterThan(950);
  });

  test('a wait that is too long is left to the caller', async () => {
    misbehave({ match: /hub/, status: 429, headers: { 'retry-after': '3600' } });
    const error = await expectError(fetchBytes(), 'network', '429', 'come back in 3600 s');
    expect(error.retryable).toBe(true);
    expect(hub.log).toHaveLength(1);
  });

  test('a date in Retry-After', async () => {
    misbehave({ match: /hub/, status: 503, headers: { 'retry-after': new Date(Date.now() + 3_600_000).toUTCString() } });
    await expectError(fetchBytes(), 'network', '503', /come back in 3(599|600) s/);
  });

  test('5xx is tried again a few times', async () => {
    misbehave({ match: /hub/, times: 3, status: 500 });
    expect(await fetchBytes()).toSatisfy(isContent);
    rmSync(place());
    misbehave({ match: /hub/, status: 502 });
    await expectError(fetchBytes(), 'network', '502');
  });

  test('a server that is not there', async () => {
    await hub.close();
    const error = await expectError(fetchBytes(), 'network', 'ECONNREFUSED');
    expect(error.retryable).toBe(true);
  });

  test.each([
    [404, 'not-found'],
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [400, 'network'],
  ] as const)('%i is final', async (status, code) => {
    misbehave({ match: /cdn/, status });
    const error = await expectError(fetchBytes(), code, String(status));
    expect(error.details['status']).toBe(status);
    expect(error.retryable).toBe(false);
    expect(cdnRequests()).toHaveLength(1);
  });

  test('redirects without end, and to a place that is no web address', async () => {
    misbehave({ match: /cdn/, status: 302, headers: { location: '/blobs/again' } });
    await expectError(fetchBytes(), 'network', 'more than 10 times');
    hub.faults.length = 0;
    misbehave({ match: /hub/, status: 302, headers: { location: 'file:///etc/passwd' } });
    await expectError(fetchBytes(), 'network', 'not a secure address');
  });
});

describe('bytes that are not the file', () => {
  test('a wrong hash is fetched once more', async () => {
    misbehave({ match: /cdn/, times: 1, body: new Uint8Array(content.length) });
    expect(await fetchBytes()).toSatisfy(isContent);
    expect(cdnRequests()).toHaveLength(2);
  });

  test('a hash that stays wrong is an error, and nothing is kept', async () => {
    misbehave({ match: /cdn/, body: new Uint8Array(content.length) });
    await expectError(fetchBytes(), 'corrupt-file', `expected: SHA-256 ${sha256}`, 'received: SHA-256');
    expect(left()).toEqual([]);
    await expectError(fetchBytes({ sha256: '0'.repeat(64) }), 'corrupt-file', '000000');
  });

  test('a wrong size, and a body that goes on beyond it', async () => {
    await expectError(fetchBytes({ size: 5 }, 'config.json'), 'corrupt-file', 'expected: 5 bytes', 'received: 7 bytes');
    await expectError(fetchBytes({ size: 1_000_000 }), 'corrupt-file', '1000000 bytes');
  });
});
