/**
 * The whole of TransferKit in half a minute, offline, on what ships with it: a photo classifier and a text classifier.
 *
 *   npm run quickstart
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { addHead, classification, evaluate, fineTune, freezeBase, loadModel, loadPretrained, runtime, type Base } from 'transferkit';
import { imageFolder, table, type Dataset } from 'transferkit/data';
import { photoBackbone, sentenceBackbone, untrainedPhotoBackbone, writeFileDeep } from './support/backbones.js';
import { drawPhoto, newShapes } from './support/drawn-photos.js';

const started = performance.now();
const folder = mkdtempSync(join(tmpdir(), 'transferkit-quickstart-'));
const inFolder = (name: string): string => join(folder, name);
const ticketTable = new URL('data/tickets.csv', import.meta.url);

const say = (...lines: string[]): void => console.log(lines.join('\n'));
const title = (text: string): void => say('', text, '-'.repeat(text.length));
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Writes drawn pictures as a folder of photos, one sub-folder per class. */
async function writePhotos(name: string, each: number, seed: number): Promise<void> {
  const kinds = Object.entries(newShapes);
  for (const [kind, [label, shape]] of kinds.entries()) {
    for (let index = 0; index < each; index++) {
      const { data, width, height } = drawPhoto(shape, seed + kind * 10_007 + index);
      const png = await sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toBuffer();
      writeFileDeep(inFolder(`${name}/${label}/${index}.png`), png);
    }
  }
}

/** How well a frozen base serves: the accuracy of a head on top of it. */
async function accuracyOf(base: Base<'image'>, train: Dataset<'image', string>, test: Dataset<'image', string>): Promise<number> {
  using model = addHead(freezeBase(base), classification(train.labels));
  await fineTune(model, train);
  return (await evaluate(model, test)).accuracy;
}

async function photos(): Promise<string> {
  title('1. A backbone');
  say(
    'No pretrained network ships with this version yet, so a small MobileNetV2 is trained here first,',
    'on 1,440 drawn pictures of 12 shapes. With a published one this step is a download.',
  );
  let clock = performance.now();
  const backbone = await photoBackbone(inFolder('backbone'));
  say(`Done in ${seconds(clock)}.`);

  title('2. A photo classifier');
  await writePhotos('photos', 30, 900_001);
  await writePhotos('photos-test', 40, 500_001);
  say('photos/ holds 180 PNG files of 6 shapes that the backbone has never seen, photos-test/ another 240.', '');
  clock = performance.now();
  const { model, plan } = await fineTune(backbone, inFolder('photos'));
  say(plan.describe(), '', `Trained in ${seconds(clock)}.`, '');
  const test = await imageFolder(inFolder('photos-test'));
  const report = await evaluate(model, test);
  say(report.summary());

  const train = await imageFolder(inFolder('photos'));
  const untrained = await accuracyOf(await untrainedPhotoBackbone(), train, test);
  const { low, high } = report.interval.accuracy;
  say('', 'What the pretrained backbone is worth: the same head, the same 180 photos');
  say(`  on the pretrained network   ${percent(report.accuracy).padStart(5)}   (95 % interval ${percent(low)} to ${percent(high)})`);
  say(
    `  on the untrained network    ${percent(untrained).padStart(5)}`,
    `  always the same answer      ${percent(report.baseline.accuracy).padStart(5)}`,
  );

  await model.save(inFolder('shapes-model'));
  model.dispose();
  using saved = await loadModel<'image'>(inFolder('shapes-model'));
  const { label, confidence } = await saved.predict(inFolder('photos-test/key/0.png'));
  say('', `Saved, loaded again, asked about photos-test/key/0.png: ${label} (${percent(confidence)})`);
  return `photos ${percent(report.accuracy)}`;
}

async function sentences(): Promise<string> {
  title('3. A text classifier');
  const tickets = await table(ticketTable, { text: 'body', label: 'team' });
  const { train, test } = tickets.split({ test: 0.25, seed: 42 });
  say(
    `${tickets.length} support tickets for ${tickets.labels.length} teams, ${train.length} to learn from. Without a pretrained text network the word vectors start`,
    'random and are learnt from these tickets alone: it can know a word only if it was in them.',
    '',
  );
  const clock = performance.now();
  const backbone = await sentenceBackbone(
    inFolder('words'),
    train.items.map((item) => item.input as string),
  );
  using model = addHead(await loadPretrained<'text'>(backbone), classification(train.labels));
  const { plan } = await fineTune(model, train, { unfreeze: 'all', headEpochs: 0, epochs: 12, learningRate: 0.003, validation: 0 });
  say(plan.describe(), '', `Trained in ${seconds(clock)}.`, '');
  const report = await evaluate(model, test);
  say(report.summary(), '');
  for (const text of ['The parcel never came and the courier does not answer.', 'You charged my card twice.']) {
    const { label, confidence } = await model.predict(text);
    say(`"${text}" -> ${label} (${percent(confidence)})`);
  }
  return `tickets ${percent(report.accuracy)}`;
}

try {
  await runtime.chooseBackend();
  say(`TransferKit on ${runtime.describe()}`);
  const results = [await photos(), await sentences()];
  title('Done');
  say(
    `${results.join(', ')}; ${seconds(started)} in all.`,
    '',
    'With your own photos, one sub-folder per class, and a real backbone from the Hugging Face Hub:',
    '',
  );
  say(
    "  import { fineTune } from 'transferkit';",
    "  const { model } = await fineTune('mobilenet-v2', 'photos/');",
    "  await model.predict('new.jpg');",
    '',
  );
  say('or without writing a line: npx tsx examples/photos.ts <folder of photos>');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
