import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { addHead, classification, fineTune, loadPretrained, runtime, untrainedBase, type Base } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { staticEmbedding } from 'transferkit/backbones/static-embedding';
import { folder } from 'transferkit/sources/folder';
import { expectFailure, expectNoLeaks, tinySamples } from 'transferkit/testing';

let place: string;
beforeEach(() => void (place = mkdtempSync(join(tmpdir(), 'starting-points-'))));
afterEach(() => rmSync(place, { recursive: true, force: true }));

const samples = tinySamples(mobilenetV2);
const untrained = (): Promise<Base<'image'>> => untrainedBase(mobilenetV2, mobilenetV2.tiny);
const featuresOf = async (base: Base): Promise<number[]> => [
  ...(await base.embed(samples.items.map(({ input }) => input as never))).values,
];

/** Trains a base from scratch and saves it under a head. */
async function pretrain(path: string): Promise<number[]> {
  using model = addHead(await untrained(), classification(['even', 'odd']));
  await fineTune(model, samples, {
    unfreeze: 'all',
    normalization: 'batch',
    headEpochs: 0,
    epochs: 2,
    validation: 0,
    learningRate: 0.005,
    progress: false,
  });
  await model.save(path);
  return await featuresOf(model.base);
}

test('the base of a saved model is loaded as it was trained, without its head', async () => {
  const features = await pretrain(join(place, 'saved'));
  using base = await loadPretrained(join(place, 'saved'));
  expect(await featuresOf(base)).toEqual(features);
  expect(base.provenance.origin).toBe(join(place, 'saved'));
  expect(base.groups.some(({ learns }) => learns)).toBe(false);
  using again = addHead(base, classification(['a', 'b', 'c']));
  expect(again.labels).toEqual(['a', 'b', 'c']);
});

test('it can be named by a source, by the one-call form, and with its family', async () => {
  await pretrain(join(place, 'saved'));
  using bySource = await loadPretrained(folder(join(place, 'saved')));
  using byFamily = await loadPretrained({ backbone: mobilenetV2, source: join(place, 'saved') });
  expect(await featuresOf(bySource)).toEqual(await featuresOf(byFamily));
  const { model } = await fineTune<'image', string>(join(place, 'saved'), samples, { epochs: 1, validation: 0, progress: false });
  model.dispose();
});

test('a saved model that is broken or too new is refused', async () => {
  const path = join(place, 'saved');
  await pretrain(path);
  const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'));
  const write = (transferkit: object): void => writeFileSync(join(path, 'config.json'), JSON.stringify({ ...config, transferkit }));
  write({ ...config.transferkit, format: 2 });
  await expectFailure(() => loadPretrained(path), 'bad-config', 'format 2', 'newer version');
  write({ ...config.transferkit, input: undefined });
  await expectFailure(() => loadPretrained(path), 'bad-config', 'no usable "input"');
  write({ ...config.transferkit, backbone: { ...config.transferkit.backbone, name: 'my-own' } });
  await expectFailure(() => loadPretrained(path), 'unknown-name', 'my-own');
  write({ ...config.transferkit, backbone: { ...config.transferkit.backbone, config: { ...mobilenetV2.tiny.config, topChannels: 40 } } });
  await expectFailure(() => loadPretrained(path), 'weight-mismatch', 'top/convolution');
});

test('an untrained network is the same each time, and says what it is', async () => {
  using one = await untrained();
  using two = await untrained();
  expect(await featuresOf(one)).toEqual(await featuresOf(two));
  expect(one.provenance.origin).toBe('untrained mobilenet-v2');
});

test('an untrained network prepares its inputs by the habit of its family', async () => {
  using photos = await untrainedBase(mobilenetV2, { config: mobilenetV2.tiny.config });
  expect((await photos.embed(samples.items[0]!.input)).shape).toEqual([32]);
  const { config, files } = staticEmbedding.tiny;
  using texts = await untrainedBase(staticEmbedding, { config, files: files! });
  expect((await texts.embed('the red rose')).shape).toEqual([16]);
});

test('an untrained text network needs a tokenizer', async () => {
  await expectFailure(() => untrainedBase(bert, { config: bert.tiny.config, input: bert.tiny.input }), 'not-found', 'tokenizer');
});

test('the first loss from scratch is that of guessing', async () => {
  using model = addHead(await untrained(), classification(['even', 'odd']));
  const { history } = await fineTune(model, samples, {
    unfreeze: 'all',
    normalization: 'batch',
    headEpochs: 0,
    epochs: 1,
    validation: 0,
    progress: false,
  });
  expect(history.epochs[0]!.loss).toBeLessThan(3); // not in the thousands, as with the statistics of a network that never saw a photo
});

test('nothing is left behind', async () => {
  await runtime.chooseBackend();
  await pretrain(join(place, 'saved'));
  await expectNoLeaks(async () => {
    using base = await loadPretrained(join(place, 'saved'));
    await base.embed(samples.items[0]!.input);
  });
  await expectNoLeaks(() => expectFailure(() => untrainedBase(bert, { config: bert.tiny.config, input: bert.tiny.input }), 'not-found'));
  expect(tf.memory().numTensors).toBeGreaterThanOrEqual(0);
});
