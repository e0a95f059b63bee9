import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { expectFailure } from 'transferkit/testing';
import { clearCache, listCache } from '../../src/cache.js';
import { ageWords, cacheTable, sizeWords } from '../../src/cli/cache-table.js';
import { run } from '../../src/cli/run.js';
import { runtime } from '../../src/runtimes/node.js';
import { openRecords } from '../../src/runtimes/node/records.js';
import { version } from '../../src/saving/version.js';

const root = mkdtempSync(join(tmpdir(), 'transferkit-cli-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let directory = '';
let folders = 0;

const day = 86_400_000;
const about = {
  family: 'mobilenet-v2',
  origin: 'hf://google/mobilenet_v2_1.0_224',
  revision: '0123456789abcdef0123456789abcdef01234567',
  groups: 'stem to top',
  recipe: { kind: 'image', crop: { height: 224, width: 224 } },
  adapter: false,
};

async function keepFeatures(name: string, count: number, daysAgo: number): Promise<void> {
  const records = await openRecords({ place: ['features', name], about, directory, maxBytes: 1e9 });
  const keyed = Array.from({ length: count }, (_, index) => ({ key: new Uint8Array(32).fill(index), bytes: new Uint8Array(5000) }));
  await records.append(keyed);
  await records.close();
  const when = new Date(Date.now() - daysAgo * day);
  utimesSync(join(directory, 'features', name, 'meta.json'), when, when);
}

function keepDownload(name: string, bytes: number, daysAgo: number): void {
  const path = join(directory, 'hub', 'huggingface.co', name, 'commit', 'model.safetensors');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, new Uint8Array(bytes));
  const when = new Date(Date.now() - daysAgo * day);
  utimesSync(path, when, when);
}

beforeEach(async () => {
  directory = join(root, String(folders++));
  await keepFeatures('aa11'.repeat(16), 20, 40);
  await keepFeatures('ab22'.repeat(16), 10, 2);
  keepDownload('google--mobilenet_v2_1.0_224', 3_000_000, 50);
  keepDownload('sentence-transformers--all-MiniLM-L6-v2', 90_000, 1);
});

/** Runs the command line in this process. */
async function cli(...parameters: string[]): Promise<{ code: number; out: string; failed: string }> {
  let [out, failed] = ['', ''];
  const terminal = { write: (text: string) => void (out += text), fail: (text: string) => void (failed += text), width: 80 };
  const code = await run(parameters, terminal);
  return { code, out, failed };
}

describe('transferkit cache', () => {
  test('lists features and downloads within 80 columns', async () => {
    const { code, out } = await cli('cache', '--directory', directory);
    expect(code).toBe(0);
    expect(out.replace(directory, '<folder>')).toMatchInlineSnapshot(`
      "Cache in <folder>

      Features: 2, 149 KiB
        ab22ab22ab22  10 records                                  49.6 KiB     2 d ago
          mobilenet-v2, hf://google/mobilenet_v...224 @ 01234567, stem to top, 224x224
        aa11aa11aa11  20 records                                  98.9 KiB    40 d ago
          mobilenet-v2, hf://google/mobilenet_v...224 @ 01234567, stem to top, 224x224

      Downloads: 2, 2.9 MiB
        hub/huggingface.co/sentenc...formers--all-MiniLM-L6-v2    87.9 KiB     1 d ago
        hub/huggingface.co/google--mobilenet_v2_1.0_224            2.9 MiB    50 d ago
      "
    `);
    for (const line of out.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('--json gives the same to programs', async () => {
    const { entries } = JSON.parse((await cli('cache', '--json', '--directory', directory)).out);
    expect(entries.map(({ kind, bytes, records }: any) => [kind, bytes > 0, records])).toEqual([
      ['download', true, undefined],
      ['features', true, 10],
      ['features', true, 20],
      ['download', true, undefined],
    ]);
  });

  test('an empty or absent cache is listed as such', async () => {
    const { code, out } = await cli('cache', '--directory', join(root, 'nothing'));
    expect([code, out]).toEqual([0, expect.stringContaining('Features: 0, 0 B')]);
    expect(existsSync(join(root, 'nothing'))).toBe(false);
  });
});

describe('transferkit cache clear', () => {
  const left = async (): Promise<string[]> => (await listCache({ directory })).entries.map(({ name }) => name.slice(0, 30)).sort();

  test('removes all, one kind, the old, or one by the beginning of its name', async () => {
    expect(await cli('cache', 'clear', 'ab', '--yes', '--directory', directory)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^removed 1 of 1 entry, 49.6 KiB: 49.6 KiB are free again/),
    });
    expect(readdirSync(join(directory, 'features'))).toEqual(['aa11'.repeat(16)]);
    await cli('cache', 'clear', '--downloads', '--older-than', '30d', '--yes', '--directory', directory);
    expect(await left()).toEqual(['aa11aa11aa11aa11aa11aa11aa11aa', 'hub/huggingface.co/sentence-tr']);
    await cli('cache', 'clear', '--features', '-y', '--directory', directory);
    expect(await left()).toEqual(['hub/huggingface.co/sentence-tr']);
    await cli('cache', 'clear', '-y', '--directory', directory);
    expect(await left()).toEqual([]);
  });

  test('what is in use stays, and the exit code says so', async () => {
    const open = await openRecords({ place: ['features', 'ab22'.repeat(16)], about, directory, maxBytes: 1e9 });
    const { code, out } = await cli('cache', 'clear', '--features', '--yes', '--directory', directory);
    expect([code, out]).toEqual([1, expect.stringMatching(/removed 1 of 2 entries.*\nleft, because a program uses it: ab22/)]);
    await open.close();
    expect((await clearCache({ directory, kind: 'features' })).removed).toHaveLength(1);
  });

  test('without anybody to ask, nothing is removed unless told so', async () => {
    if (process.stdin.isTTY) return;
    const { code, failed } = await cli('cache', 'clear', '--directory', directory);
    expect([code, failed]).toEqual([1, expect.stringMatching(/Remove 4 entries, 3.1 MiB.*\n.*nothing was removed. Pass --yes/)]);
    expect(await left()).toHaveLength(4);
  });

  test('slips of the pen', async () => {
    expect(await cli('cache', 'clear', 'a', '--directory', directory)).toMatchObject({
      code: 1,
      failed: expect.stringContaining('2 entries'),
    });
    expect(await cli('cache', 'clear', 'zz', '--directory', directory)).toMatchObject({
      code: 1,
      failed: expect.stringContaining('nothing in the cache'),
    });
    expect(await cli('cache', 'empty')).toMatchObject({ code: 1, failed: expect.stringContaining('Received: empty') });
    expect(await cli('cache', 'clear', 'a', 'b')).toMatchObject({ code: 1, failed: expect.stringContaining('one name at most') });
    expect(await cli('cache', 'clear', '--older-than', 'soon')).toMatchObject({ code: 1, failed: expect.stringContaining('such as 12h') });
    expect(await cli('cache', '--oops')).toMatchObject({ code: 2, failed: expect.stringContaining('--oops') });
    expect(await cli('cash')).toMatchObject({ code: 2, failed: expect.stringContaining('no command "cash"') });
    expect((await cli()).code).toBe(2);
    expect(await cli('--help')).toMatchObject({ code: 0, out: expect.stringContaining('cache clear') });
    expect(await cli('cache', '--help')).toMatchObject({ code: 0, out: expect.stringContaining('--older-than') });
    expect(await cli('--version')).toMatchObject({ code: 0, out: `${version}\n` });
  });
});

test('the program itself', () => {
  const program = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const out = execFileSync(process.execPath, ['--import', 'tsx', program, 'cache', '--directory', directory], { encoding: 'utf8' });
  expect(out).toContain('Downloads: 2');
});

test('a runtime without a cache that can be looked into', async () => {
  const { cacheFolder: _, ...blind } = runtime;
  await expectFailure(() => listCache({ runtime: blind }), 'unsupported', 'cannot be looked into');
});

test('figures for people', () => {
  expect([0, 1023, 1024, 150 * 1024, 3.5 * 2 ** 30].map(sizeWords)).toEqual(['0 B', '1023 B', '1.0 KiB', '150 KiB', '3.5 GiB']);
  expect([0, 59_000, 61_000, 7.2e6, 3 * day].map(ageWords)).toEqual(['now', 'now', '1 min ago', '2 h ago', '3 d ago']);
  expect(cacheTable({ path: 'x', entries: [] }, 80)).toContain('Features: 0, 0 B');
});
