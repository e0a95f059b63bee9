/** A folder with the things that the documentation speaks of, small: photos, tables, checkpoints, saved models. And a Hub. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { addHead, classification, loadPretrained } from 'transferkit';
import { startHub, type RunningHub } from '../sources/hub-server.js';
import { root } from './code-blocks.js';

const golden = (path: string): string => join(root, 'test/golden', path, 'checkpoint');

const checkpoints: Readonly<Record<string, string>> = {
  'mobilenet-v2': golden('mobilenet-v2/huggingface'),
  'all-MiniLM-L6-v2': golden('bert/sentence-transformers-mean'),
  'models/all-MiniLM-L6-v2': golden('bert/sentence-transformers-mean'),
  'my-teachable-machine': golden('mobilenet-v2/tfjs-teachable-machine'),
};

const repositories: Readonly<Record<string, string>> = {
  'google/mobilenet_v2_1.0_224': golden('mobilenet-v2/huggingface'),
  'sentence-transformers/all-MiniLM-L6-v2': golden('bert/sentence-transformers-mean'),
  'google/bert_uncased_L-2_H-128_A-2': golden('bert/huggingface'),
  'minishlab/potion-base-8M': golden('static-embedding/model2vec'),
  'Xenova/dinov2-small': golden('onnx-graph/vision-transformer'),
  'Xenova/multilingual-e5-small': golden('onnx-graph/text'),
};

/** A network of Keras with a layer of a well-known name. */
function writeKerasGraph(folder: string): void {
  cpSync(golden('keras-graph/keras2-residual'), folder, { recursive: true });
  const path = join(folder, 'model.json');
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll('"added"', '"conv_pw_13_relu"'));
}

/** A picture of one colour with a little noise, which any network can tell from the others. */
async function writePicture(path: string, colour: readonly number[], seed: number): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const pixels = Uint8Array.from({ length: 48 * 40 * 3 }, (_, index) =>
    Math.min(255, colour[index % 3]! + ((index * 31 + seed * 17) % 41)),
  );
  await sharp(pixels, { raw: { width: 48, height: 40, channels: 3 } }).toFile(path);
}

const colours: Readonly<Record<string, readonly number[]>> = { daisy: [210, 210, 190], rose: [190, 30, 60], tulip: [210, 150, 20] };

async function writePhotos(folder: string, each: number): Promise<void> {
  for (const [label, colour] of Object.entries(colours)) {
    for (let index = 0; index < each; index++) await writePicture(join(folder, label, `${index}.png`), colour, index);
  }
}

const pairs = [
  ['sentence1', 'sentence2', 'score'],
  ['A man plays.', 'A man sings.', '3.2'],
  ['The train is late.', 'It rains.', '0.4'],
  ['Red roses.', 'Roses that are red.', '5'],
  ['A cat runs.', 'Two dogs sleep.', '1'],
];

function writeTables(folder: string): void {
  const [header, ...rows] = readFileSync(join(root, 'examples/data/tickets.csv'), 'utf8').split('\n');
  writeFileSync(join(folder, 'tickets.csv'), `${[header, ...rows.slice(0, 60)].join('\n')}\n`);
  writeFileSync(join(folder, 'sts.csv'), `${pairs.map((row) => row.join(',')).join('\n')}\n`);
}

/** A model as `save` writes it. What it has learnt does not matter here. */
async function writeModel(folder: string): Promise<void> {
  using model = addHead(await loadPretrained(golden('mobilenet-v2/huggingface')), classification(Object.keys(colours)));
  await model.save(folder);
}

/** All files below a folder by their relative paths. */
function filesOf(folder: string): Record<string, Uint8Array> {
  const paths = (readdirSync(folder, { recursive: true }) as string[]).filter((path) => statSync(join(folder, path)).isFile());
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(folder, path))]));
}

export interface WorkingFolder {
  readonly folder: string;
  readonly hub: RunningHub;
  close(): Promise<void>;
}

/** Makes the folder and starts the Hub. */
export async function prepareWorkingFolder(): Promise<WorkingFolder> {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-docs-'));
  for (const [name, from] of Object.entries(checkpoints)) cpSync(from, join(folder, name), { recursive: true });
  writeKerasGraph(join(folder, 'mobilenet-v1'));
  await writePhotos(join(folder, 'photos'), 6);
  await writePhotos(join(folder, 'photos-test'), 2);
  await writePicture(join(folder, 'new.jpg'), colours['rose']!, 99);
  writeTables(folder);
  await writeModel(join(folder, 'flowers-model'));
  const hub = await startHub({
    repos: Object.fromEntries(Object.entries(repositories).map(([repo, from]) => [repo, { files: filesOf(from), license: 'apache-2.0' }])),
  });
  const close = async (): Promise<void> => {
    await hub.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, hub, close };
}
