import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  existsSync,
  mkdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createRandom } from '../../src/common/random.js';
import { openRecords } from '../../src/runtimes/node/records.js';
import { ShardReader } from '../../src/runtimes/node/records/shard-reader.js';
import { ShardWriter } from '../../src/runtimes/node/records/shard-writer.js';
import type { Records } from '../../src/runtimes/runtime.js';

const root = mkdtempSync(join(tmpdir(), 'transferkit-records-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
const freshFolder = (): string => join(root, String(folders++));

const keyOf = (name: string | number): Uint8Array => new Uint8Array(createHash('sha256').update(String(name)).digest());
const recordOf = (number: number): Uint8Array =>
  Uint8Array.from({ length: 40 + (number % 7) }, (_, index) => (number * 31 + index * 7) % 256);
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => ({ key: keyOf(from + index), bytes: recordOf(from + index) }));
const keys = (to: number): Uint8Array[] => Array.from({ length: to }, (_, index) => keyOf(index));

const open = (
  directory: string,
  more: { name?: string; maxBytes?: number; onWarning?: (message: string) => void } = {},
): Promise<Records> =>
  openRecords({ place: ['features', more.name ?? 'store'], about: { family: 'test' }, directory, maxBytes: 1e9, ...more });

async function fillRecords(directory: string, count: number, name = 'store'): Promise<void> {
  const records = await open(directory, { name });
  for (let from = 0; from < count; from += 10) await records.append(numbered(from, Math.min(count, from + 10)));
  await records.close();
}

/** Records that come back; each is exactly what was written, or it does not come back. */
async function survivors(directory: string, count: number): Promise<number> {
  const records = await open(directory);
  const found = await records.read(keys(count));
  await records.close();
  let alive = 0;
  found.forEach((bytes, number) => {
    if (bytes === undefined) return;
    expect([...bytes]).toEqual([...recordOf(number)]);
    alive++;
  });
  return alive;
}

const filesOf = (directory: string, ending: string): string[] =>
  readdirSync(join(directory, 'features', 'store'))
    .filter((name) => name.endsWith(ending))
    .map((name) => join(directory, 'features', 'store', name));

describe('records on disk', () => {
  test('are found again, in any order, by another opening', async () => {
    const directory = freshFolder();
    await fillRecords(directory, 45);
    const records = await open(directory);
    const found = await records.read([keyOf(44), keyOf('absent'), keyOf(3), keyOf(17)]);
    expect(found.map((bytes) => bytes && [...bytes])).toEqual([[...recordOf(44)], undefined, [...recordOf(3)], [...recordOf(17)]]);
    for (const bytes of found) if (bytes !== undefined) expect(bytes.byteOffset % 4).toBe(0);
    await records.close();
  });

  test('nothing is made until something is kept, and what is made says what it is', async () => {
    const directory = freshFolder();
    const records = await open(directory);
    expect(await records.read([keyOf(0)])).toEqual([undefined]);
    expect(existsSync(directory)).toBe(false);
    await records.append(numbered(0, 1));
    const about = JSON.parse(readFileSync(join(directory, 'features', 'store', 'meta.json'), 'utf8'));
    expect(about).toMatchObject({ family: 'test', created: expect.stringMatching(/^\d{4}-/) });
    await records.close();
    await records.close();
  });

  test('two writers at once do not touch one file, and the next opening finds the work of both', async () => {
    const directory = freshFolder();
    const [first, second] = [await open(directory), await open(directory)];
    await Promise.all([first.append(numbered(0, 20)), second.append(numbered(20, 40))]);
    await Promise.all([first.append(numbered(40, 50)), second.append(numbered(50, 60))]);
    await Promise.all([first.close(), second.close()]);
    expect(filesOf(directory, '.data')).toHaveLength(2);
    expect(await survivors(directory, 60)).toBe(60);
  });

  test('a file that is cut at any byte loses what was behind the cut and nothing else', async () => {
    const directory = freshFolder();
    await fillRecords(directory, 30);
    for (const ending of ['.data', '.index']) {
      const path = filesOf(directory, ending)[0]!;
      const whole = readFileSync(path);
      let last = 0;
      for (let size = 0; size <= whole.length; size += 37) {
        writeFileSync(path, whole.subarray(0, size));
        const alive = await survivors(directory, 30);
        expect(alive).toBeGreaterThanOrEqual(last);
        last = alive;
      }
      writeFileSync(path, whole);
      expect(await survivors(directory, 30)).toBe(30);
    }
  });

  test('a byte that flips anywhere costs one record at most', async () => {
    const directory = freshFolder();
    await fillRecords(directory, 30);
    const random = createRandom(1);
    for (const ending of ['.data', '.index']) {
      const path = filesOf(directory, ending)[0]!;
      const whole = readFileSync(path);
      for (let round = 0; round < 40; round++) {
        const spoilt = Uint8Array.from(whole);
        spoilt[random.integer(whole.length)]! ^= 1 << random.integer(8);
        writeFileSync(path, spoilt);
        expect(await survivors(directory, 30)).toBeGreaterThanOrEqual(29);
      }
      writeFileSync(path, whole);
    }
  });

  test('files that are empty, gone or something else are passed over', async () => {
    const directory = freshFolder();
    await fillRecords(directory, 10);
    writeFileSync(join(directory, 'features', 'store', 'zz.index'), createRandom(2).permutation(100));
    mkdirSync(join(directory, 'features', 'store', 'folder.index'));
    expect(await survivors(directory, 10)).toBe(10);
    rmSync(filesOf(directory, '.data')[0]!);
    expect(await survivors(directory, 10)).toBe(0);
  });

  test('a file that shrinks while it is open gives nothing wrong', async () => {
    const directory = freshFolder();
    await fillRecords(directory, 30);
    const records = await open(directory);
    truncateSync(filesOf(directory, '.data')[0]!, 500);
    const found = await records.read(keys(30));
    expect(found.filter((bytes) => bytes !== undefined).length).toBe(11); // 44 bytes each
    await records.close();
  });

  test('a new pair of files is begun when one is large enough', async () => {
    const directory = freshFolder();
    mkdirSync(directory, { recursive: true });
    const reader = new ShardReader();
    const writer = new ShardWriter(directory, 200, (path) => reader.addShard(path));
    const places = [];
    for (let from = 0; from < 40; from += 4) places.push(...(await writer.append(numbered(from, from + 4))));
    await writer.close();
    expect(readdirSync(directory).filter((name) => name.endsWith('.data')).length).toBeGreaterThan(4);
    const found = await reader.read(places);
    found.forEach((bytes, number) => expect([...bytes!]).toEqual([...recordOf(number)]));
    await reader.close();
  });

  test('64 records of 1 KB are read in well below a millisecond each, in any order', async () => {
    const directory = freshFolder();
    const records = await open(directory);
    const large = Array.from({ length: 20_000 }, (_, number) => ({ key: keyOf(number), bytes: new Uint8Array(1024).fill(number) }));
    for (let from = 0; from < large.length; from += 500) await records.append(large.slice(from, from + 500));
    const random = createRandom(3);
    const times: number[] = [];
    for (let round = 0; round < 20; round++) {
      const wanted = Array.from({ length: 64 }, () => large[random.integer(large.length)]!.key);
      const started = performance.now();
      await records.read(wanted);
      times.push((performance.now() - started) / 64);
    }
    times.sort((a, b) => a - b);
    expect(times[10]!).toBeLessThan(0.5);
    await records.close();
  });
});

describe('the cap', () => {
  test('removes what was used least lately, and never what is in use', async () => {
    const directory = freshFolder();
    for (const [age, name] of ['oldest', 'used', 'recent'].entries()) {
      await fillRecords(directory, 100, name);
      const when = new Date(Date.now() - (10 - age) * 86_400_000);
      utimesSync(join(directory, 'features', name, 'meta.json'), when, when);
    }
    const used = await open(directory, { name: 'used' });
    const old = new Date(Date.now() - 20 * 86_400_000);
    utimesSync(join(directory, 'features', 'used', 'meta.json'), old, old);
    const one = ['oldest', 'used', 'recent'].map((name) => sizeOf(join(directory, 'features', name)));
    const fresh = await open(directory, { name: 'fresh', maxBytes: one[1]! + one[2]! + 9000 });
    await fresh.append(numbered(0, 100));
    expect(readdirSync(join(directory, 'features')).sort()).toEqual(['fresh', 'recent', 'used']);
    expect((await used.read(keys(100))).every((bytes) => bytes !== undefined)).toBe(true);
    await used.close();
    await fresh.close();
  });

  test('that one store alone would break stops the writing with a warning', async () => {
    const directory = freshFolder();
    const warnings: string[] = [];
    const records = await open(directory, { maxBytes: 2000, onWarning: (message) => warnings.push(message) });
    for (let from = 0; from < 200; from += 10) await records.append(numbered(from, from + 10));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/no longer kept on disk: .*cap of 2000 bytes.*in memory/);
    expect(sizeOf(join(directory, 'features', 'store'))).toBeLessThan(2400);
    expect((await records.read(keys(10))).every((bytes) => bytes !== undefined)).toBe(true);
    await records.close();
  });

  test('what a killed program left marked as in use, or half removed, is cleared', async () => {
    const directory = freshFolder();
    await fillRecords(directory, 100, 'left');
    const old = new Date(Date.now() - 86_400_000);
    utimesSync(join(directory, 'features', 'left', 'meta.json'), old, old);
    const dead = { host: (await import('node:os')).hostname(), pid: 2 ** 22 - 3, started: null, id: 'x' };
    writeFileSync(join(directory, 'features', 'left', '.in-use-x'), JSON.stringify(dead));
    mkdirSync(join(directory, 'features', '.removed-y'));
    const records = await open(directory, { name: 'new', maxBytes: 9000 });
    await records.append(numbered(0, 100));
    expect(readdirSync(join(directory, 'features'))).toEqual(['new']);
    await records.close();
  });
});

const sizeOf = (folder: string): number => readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

describe('a place that cannot be written', () => {
  test('a disk that fills up: one warning, and what was kept before stays', async (context) => {
    const directory = freshFolder();
    mkdirSync(directory);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]).status !== 0)
      context.skip('needs the right to mount a small tmpfs');
    try {
      const warnings: string[] = [];
      const records = await open(directory, { onWarning: (message) => warnings.push(message) });
      for (let from = 0; from < 3000; from += 50) await records.append(numbered(from, from + 50));
      expect(warnings).toEqual([expect.stringMatching(/the disk is full \(ENOSPC\); the run goes on in memory/)]);
      expect((await records.read(keys(50))).every((bytes) => bytes !== undefined)).toBe(true);
      await records.close();
      expect(await survivors(directory, 3000)).toBeGreaterThan(200);
    } finally {
      spawnSync('umount', [directory]);
    }
  });

  test('gives one warning and no error', async () => {
    const directory = freshFolder();
    writeFileSync(directory, 'a file where the folder should be');
    const warnings: string[] = [];
    const records = await open(directory, { onWarning: (message) => warnings.push(message) });
    await records.append(numbered(0, 5));
    await records.append(numbered(5, 10));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/features are no longer kept on disk: .*a file, not a folder.*goes on in memory/);
    expect(await records.read(keys(2))).toEqual([undefined, undefined]);
    await records.close();
  });
});
