/** The one-call form: a name and a path, and the weights come from a Hub. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { evaluate, fineTune, loadPretrained, runtime } from 'transferkit';
import { imageFolder, table } from 'transferkit/data';
import { expectNoLeaks } from 'transferkit/testing';
import { pretrainedNames } from '../../src/catalogue.js';
import { fails, folderOf, photo, photoFolder, published } from '../bad-input/fixtures.js';
import { startHub, type RunningHub } from '../sources/hub-server.js';

await runtime.chooseBackend('wasm');

const filesOf = (folder: string): Record<string, Uint8Array> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
const repoOf = (name: string): string => (pretrainedNames[name]!.source as string).slice('hf://'.length);

const checkpoints: Record<string, string> = { 'mobilenet-v2': published.image, 'potion-8m': published.static };
const cacheDir = mkdtempSync(join(tmpdir(), 'transferkit-one-call-'));
const rows =
  'body,team\n' +
  Array.from({ length: 12 }, (_, index) =>
    index % 2 === 0 ? `my invoice is wrong ${index},billing` : `it does not start ${index},support`,
  ).join('\n');
let hub: RunningHub;

beforeAll(async () => {
  const repos = Object.keys(pretrainedNames).map((name) => [
    repoOf(name),
    { files: filesOf(checkpoints[name] ?? published.text), license: 'apache-2.0' },
  ]);
  hub = await startHub({ repos: Object.fromEntries(repos) });
});
afterAll(async () => {
  await hub.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

const here = () => ({ endpoint: hub.endpoint, cacheDir, progress: false, epochs: 2 });

test('a folder of photos', async () => {
  await expectNoLeaks(async () => {
    const folder = photoFolder({ cat: 4, dog: 4 });
    const { model, history, plan } = await fineTune('mobilenet-v2', folder, here());
    expect(model.labels).toEqual(['cat', 'dog']);
    expect(model.base.provenance.origin).toBe('hf://google/mobilenet_v2_1.0_224');
    expect(history).toMatchObject({ ended: 'completed', skipped: [] });
    expect(history.epochs).toHaveLength(2);
    expect(plan.describe()).toContain('8 training examples');
    const prediction = await model.predict(photo('rgb.png'));
    expect(['cat', 'dog']).toContain(prediction.label);
    expect(Object.values(prediction.scores).reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 5);
    expect((await evaluate(model, (await imageFolder(folder)) as never)).count).toBe(8);
    model.dispose();
  });
});

test('a table of texts, with its columns guessed', async () => {
  await expectNoLeaks(async () => {
    const path = join(folderOf({ 'rows.csv': rows.replace('team', 'label') }), 'rows.csv');
    const { model, history, plan } = await fineTune('bert-tiny', path, { ...here(), onDownload: () => undefined });
    expect(model.labels).toEqual(['billing', 'support']);
    expect(history.epochs).toHaveLength(2);
    expect(plan.phases.map(({ name }) => name)).toEqual(['head']);
    expect(['billing', 'support']).toContain((await model.predict('the invoice')).label);
    model.dispose();
  });
});

test('a data set, with the options of loading and of training mixed', async () => {
  const data = await table(rows, { text: 'body', label: 'team' });
  const { train, validation } = data.split({ validation: 0.25 });
  const events: string[] = [];
  const { model, history } = await fineTune('potion-8m', train, {
    ...here(),
    validation,
    unfreeze: 'all',
    headEpochs: 1,
    offline: false,
    seed: 5,
    onProgress: ({ stage }) => events.push(stage),
  });
  expect(history.epochs.map(({ phase }) => phase)).toEqual(['head', 'fine-tune', 'fine-tune']);
  expect(history.epochs[0]!.validation).toBeDefined();
  expect(new Set(events)).toContain('features');
  model.dispose();
});

test('the same call gives the same figures', async () => {
  const run = async () => {
    const { model, history } = await fineTune('bert-tiny', await table(rows, { text: 'body', label: 'team' }), {
      ...here(),
      unfreeze: { last: 1 },
    });
    const figures = [history.epochs.map(({ loss }) => loss), await model.predict('the invoice')];
    model.dispose();
    return figures;
  };
  expect(await run()).toEqual(await run());
});

test('every known name is a checkpoint that its family recognises', async () => {
  for (const name of Object.keys(pretrainedNames)) {
    using base = await loadPretrained(name, { endpoint: hub.endpoint, cacheDir });
    expect(base.provenance.origin).toBe(pretrainedNames[name]!.source);
  }
});

test('what goes wrong after loading leaves nothing behind', async () => {
  await fails('one-call: no such folder', () => fineTune('mobilenet-v2', 'no-such-photos', here()), 'not-found', 'no-such-photos');
  await fails(
    'one-call: a bad option',
    () => fineTune('mobilenet-v2', photoFolder({ cat: 1, dog: 1 }), { ...here(), epochs: -1 }),
    'bad-option',
    'epochs',
  );
  await fails(
    'one-call: aborted',
    () => fineTune('bert-tiny', rows.replace('body,team', 'text,label'), { ...here(), signal: AbortSignal.abort() }),
    'aborted',
  );
});
