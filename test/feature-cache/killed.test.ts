import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { runtime } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { tinyModel } from 'transferkit/testing';
import { createRandom } from '../../src/common/random.js';
import { createFeatureStore, type FeatureStore } from '../../src/training/feature-store.js';
import { counting, drawnTexts, range } from './drawn-data.js';

await runtime.chooseBackend('wasm');
const root = mkdtempSync(join(tmpdir(), 'transferkit-killed-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const program = fileURLToPath(new URL('./fill-until-killed.ts', import.meta.url));
const count = 1200;

/** Starts a program that fills a store, and kills it a little after it kept its first examples. */
async function fillAndKill(directory: string, milliseconds: number): Promise<void> {
  const child = fork(program, [directory, String(count)], { execArgv: ['--import', 'tsx'], stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
  await new Promise((resolve) => child.once('message', resolve));
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  child.kill('SIGKILL');
  expect(await ended).toBe('SIGKILL');
}

const rowsOf = async (store: FeatureStore): Promise<number[][]> =>
  (await store.read(range(0, count))).map(({ branches }) => branches.flat().flatMap(({ values }) => [...values]));

test('killed while it fills: what survived is used, the rest is computed, and all is as if nothing had happened', async () => {
  const model = await tinyModel(bert, runtime);
  const data = drawnTexts(range(0, count));
  const groups = model.base.groups.length;
  const expected = await rowsOf(await createFeatureStore(model, data, groups, { budget: 2 ** 30 }));
  const random = createRandom(6);
  const directory = join(root, 'cache');
  let missing = count;
  for (let round = 0; round < 2; round++) {
    await fillAndKill(directory, random.integer(60));
    const extractor = counting(model, groups);
    // Opened without being filled further, so that the next round has something to do.
    const stop = new AbortController();
    const onItems = (): void => stop.abort();
    await createFeatureStore(model, data, groups, {
      budget: 0,
      extractor,
      onItems,
      signal: stop.signal,
      disk: { directory, maxBytes: 1e9 },
    }).catch(() => undefined);
    expect(extractor.jobs).toBe(0);
  }
  for (const wanted of ['some', 'none']) {
    const extractor = counting(model, groups);
    const store = await createFeatureStore(model, data, groups, { budget: 0, extractor, disk: { directory, worthMilliseconds: 0 } });
    if (wanted === 'some') expect(extractor.jobs).toBeLessThan(missing);
    else expect(extractor.jobs).toBe(0);
    missing = extractor.jobs;
    expect(await rowsOf(store)).toEqual(expected);
    await store.close();
  }
  model.dispose();
}, 120_000);
