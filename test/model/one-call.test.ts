/** The one-call form: a name and a path, and the weights come from a Hub; or a path alone, and they come with the package. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
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
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(folder, name)).isFile())
      .map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]),
  );
const repoOf = (name: string): string => (pretrainedNames[name]!.source as string).slice('hf://'.length);

const publishedNames = Object.keys(pretrainedNames).filter((name) => (pretrainedNames[name]!.source as string).startsWith('hf://'));
const checkpoints: Record<string, string> = {
  'mobilenet-v2': published.image,
  'potion-8m': published.static,
  'dinov2-small': published.graph,
};
const cacheDir = mkdtempSync(join(tmpdir(), 'transferkit-one-call-'));
const rows =
  'body,team\n' +
  Array.from({ length: 12 }, (_, index) =>
    index % 2 === 0 ? `my invoice is wrong ${index},billing` : `it does not start ${index},support`,
  ).join('\n');
let hub: RunningHub;

beforeAll(async () => {
  const repos = publishedNames.map((name) => [
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
    expect(history.epochs).toHaveLength(3);
    expect(plan.phases.map(({ name }) => name)).toEqual(['head', 'fine-tune']); // a BERT gains by it
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
  const onnxRuntime = await runtime.loadOnnxRuntime!();
  for (const name of publishedNames) {
    if (name === 'dinov2-small' && 'missing' in onnxRuntime) {
      console.log(`skipped, for want of ONNX Runtime: ${name}`);
      continue;
    }
    using base = await loadPretrained(name, { endpoint: hub.endpoint, cacheDir });
    expect(base.provenance.origin).toBe(pretrainedNames[name]!.source);
  }
});

test('photos without a base get the one that ships for photos', async () => {
  await expectNoLeaks(async () => {
    const folder = photoFolder({ cat: 4, dog: 4 });
    const { model, plan, history } = await fineTune(folder, { epochs: 2, progress: false, offline: true });
    expect(model.base.provenance.origin).toBe('bundled://image-small');
    expect(model.labels).toEqual(['cat', 'dog']);
    expect(history.epochs).toHaveLength(2);
    expect(plan.decisions[0]).toBe('no base was named: image-small, which ships with the package, is the one for photos');
    expect(plan.describe()).toContain('  - no base was named: image-small');
    expect(model.record.training?.plan.decisions).toEqual(plan.decisions);
    model.dispose();
    const photos = await imageFolder(folder);
    const again = await fineTune(photos, { epochs: 1, progress: false });
    expect(again.model.base.provenance.origin).toBe('bundled://image-small');
    again.model.dispose();
  });
});

test('texts without a base get the one that ships for texts: a path, a table itself, a data set', async () => {
  const path = join(folderOf({ 'rows.csv': rows.replace('team', 'label') }), 'rows.csv');
  const quick = { epochs: 1, progress: false };
  for (const data of [path, rows.replace('team', 'label'), await table(rows, { text: 'body', label: 'team' })]) {
    const { model, plan } = await fineTune(data as string, quick);
    expect(model.base.provenance.origin).toBe('bundled://text-small');
    expect(model.labels).toEqual(['billing', 'support']);
    expect(plan.decisions[0]).toContain('text-small, which ships with the package, is the one for texts');
    model.dispose();
  }
});

test('a base that was named is not explained', async () => {
  const { model, plan } = await fineTune('text-small', rows.replace('team', 'label'), { epochs: 1, progress: false });
  expect(plan.describe()).not.toContain('no base was named');
  model.dispose();
});

test('a base alone is no data', async () => {
  const learn = (first: unknown, second?: unknown) => () => fineTune(first as string, second as { epochs?: number });
  await fails(
    'one-call: a name alone',
    learn('mobilenet-v2'),
    'bad-option',
    '"mobilenet-v2" is the name of a base',
    "give the data as the second argument, as in fineTune('mobilenet-v2', 'photos/')",
    "'./mobilenet-v2'",
  );
  await fails('one-call: a name with options', learn('minilm', { epochs: 1 }), 'bad-option', '"minilm" is the name of a base');
  for (const address of ['hf://google/mobilenet_v2_1.0_224', 'bundled://text-small'])
    await fails(`one-call: ${address} alone`, learn(address), 'bad-option', `"${address}" is the address of a base`, 'second argument');
  await fails('one-call: a checkpoint alone', learn(published.image), 'bad-option', 'is a checkpoint', 'Expected: fineTune(base, data)');
  await fails('one-call: a web model alone', learn('https://host/model.json'), 'bad-option', 'is a checkpoint');
  await fails('one-call: a misspelt name', learn('mobilnet-v2'), 'not-found', 'there is no data at "mobilnet-v2"', 'If the base "mobilenet-v2" was meant'); // prettier-ignore
  await fails('one-call: nothing there', learn('no/such/photos'), 'not-found', 'sub-folder per class', 'Fix: check the path');
  await fails('one-call: nothing given', learn(undefined), 'bad-option', 'needs data', 'Received: nothing');
  await fails('one-call: a source alone', learn({ source: 'mobilenet-v2' }), 'bad-option', 'needs data', 'a value of type object');
  await fails('one-call: a list', learn(['a.jpg', 'b.jpg']), 'bad-option', 'needs data', 'an array of 2');
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
