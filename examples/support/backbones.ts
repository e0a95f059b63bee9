/**
 * The backbones of the quickstart. Pretrained ones do not ship with the package yet, so the photo backbone is trained here first,
 * on drawn pictures. Once they ship, each function returns a name and nothing else changes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { addHead, classification, fineTune, untrainedBase, type Base, type JsonObject } from 'transferkit';
import { mobilenetV2, mobilenetV2Config } from 'transferkit/backbones/mobilenet-v2';
import { staticEmbedding } from 'transferkit/backbones/static-embedding';
import { examples } from 'transferkit/data';
import { drawnExamples, pretrainingShapes } from './drawn-photos.js';
import { wordPieceVocabulary } from './vocabulary.js';

/** Side of the pictures that the network sees. */
const imageSize = 40;

const block = (expanded: number, channels: number, stride: number) => ({ expanded, channels, stride });

/** A MobileNetV2 with five blocks, small enough to be pretrained in seconds. */
const photoConfig: JsonObject = {
  ...mobilenetV2Config({ width: 0.25, imageSize }),
  momentum: 0.9,
  stemChannels: 16,
  stemOutput: 8,
  blocks: [block(32, 16, 2), block(64, 16, 1), block(64, 32, 2), block(128, 32, 1), block(128, 48, 2)],
  stages: [1, 2, 2, 1],
  topChannels: 160,
};

/** The whole picture at the network's size, -1 to 1. */
const photoInput = {
  kind: 'image',
  resize: { mode: 'stretch', height: imageSize, width: imageSize, interpolation: 'bilinear', antialias: true },
  crop: null,
  scale: 1 / 127.5,
  mean: [1, 1, 1],
  std: [1, 1, 1],
  channelOrder: 'rgb',
} as const;

/** The photo network as it is before it has seen anything. */
export const untrainedPhotoBackbone = (): Promise<Base<'image'>> => untrainedBase(mobilenetV2, { config: photoConfig, input: photoInput });

/**
 * A photo backbone to start from: a name or a folder for `loadPretrained`. Today it is pretrained here, on twelve drawn shapes,
 * and saved to `folder`.
 */
export async function photoBackbone(folder: string): Promise<string> {
  const pictures = examples(drawnExamples(pretrainingShapes, 120, 1));
  using model = addHead(await untrainedPhotoBackbone(), classification(pictures.labels));
  await fineTune(model, pictures, {
    unfreeze: 'all',
    normalization: 'batch',
    headEpochs: 0,
    epochs: 4,
    batchSize: 16,
    learningRate: 0.006,
    validation: 0,
  });
  await model.save(folder);
  return folder;
}

/** Features of a word. */
const dimensions = 128;

/**
 * A sentence backbone to start from. Today it is a table of word vectors that are still random: the words come from the texts,
 * nothing is pretrained. It is written to `folder` as a published checkpoint would be.
 */
export async function sentenceBackbone(folder: string, texts: readonly string[]): Promise<string> {
  const vocabulary = wordPieceVocabulary(texts);
  const shape = { vocabularySize: vocabulary.length, rows: vocabulary.length, dimensions };
  const base = await untrainedBase(staticEmbedding, {
    config: { ...staticEmbedding.tiny.config, ...shape },
    input: { ...staticEmbedding.tiny.input, vocabularySize: vocabulary.length },
    files: { 'vocab.txt': vocabulary.join('\n') },
  });
  using model = addHead(base, classification(['any', 'other']));
  await model.save(folder);
  return folder;
}

/** Writes a file and the folders above it. */
export function writeFileDeep(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
