import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { mobilenetV2, mobilenetV2Config, type MobileNetV2Config } from '../../src/backbones/mobilenet-v2.js';
import { mobilenetV2Tables } from '../../src/backbones/mobilenet-v2/tables.js';
import { disposeModel } from '../../src/layers/dispose-model.js';
import { namedWeights } from '../../src/layers/named-weights.js';
import { openPacked } from '../../src/sources/bundled/open-packed.js';
import { defineSource, type Source } from '../../src/sources/source.js';
import { tinyCheckpoint } from '../../src/testing/tiny-checkpoint.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { writeSafetensors } from '../../src/weights/write-safetensors.js';

const root = mkdtempSync(join(tmpdir(), 'transferkit-pack-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const golden = (path: string): string => join(import.meta.dirname, '../golden', path);

/** A copy of a published checkpoint, with its vocabulary as `vocab.txt` too. */
export function withVocabulary(path: string, name: string): string {
  const folder = join(root, name);
  cpSync(golden(path), folder, { recursive: true });
  const { model } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as { model: { vocab: Record<string, number> } };
  const pieces = Object.entries(model.vocab).sort(([, a], [, b]) => a - b).map(([piece]) => piece); // prettier-ignore
  writeFileSync(join(folder, 'vocab.txt'), pieces.join('\n'));
  return folder;
}

/** A MobileNetV2 of three stages, as no published one is. */
export const smallConfig: MobileNetV2Config = {
  ...mobilenetV2Config({ width: 0.05, imageSize: 32 }),
  blocks: [
    { expanded: 24, channels: 12, stride: 2 },
    { expanded: 24, channels: 12, stride: 1 },
    { expanded: 36, channels: 16, stride: 2 },
  ],
  stages: [1, 2, 1],
  topChannels: 40,
};

export const smallInput = {
  kind: 'image',
  resize: { mode: 'stretch', height: 32, width: 32, interpolation: 'bilinear', antialias: true },
  crop: null,
  scale: 1 / 127.5,
  mean: [1, 1, 1],
  std: [1, 1, 1],
  channelOrder: 'rgb',
} as const;

/** What the training program of the image network leaves: torchvision's naming, and our own config. */
export async function imageFolder(name = 'image'): Promise<string> {
  const folder = join(root, name);
  const { model } = mobilenetV2.build(smallConfig);
  const checkpoint = tinyCheckpoint(mobilenetV2Tables.torchvision, smallConfig, namedWeights(model));
  disposeModel(model);
  const tensors = new Map<string, TensorValue>();
  for (const tensor of checkpoint.tensors.keys()) tensors.set(tensor, centred(tensor, await checkpoint.tensor(tensor)));
  mkdirSync(folder);
  writeFileSync(join(folder, 'model.safetensors'), writeSafetensors(tensors));
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ config: smallConfig, input: smallInput }));
  return folder;
}

/** Kernels around 0, as real ones are; variances stay above it. */
const centred = (name: string, { shape, values }: TensorValue): TensorValue => ({
  shape,
  values: name.endsWith('weight') && shape.length > 1 ? Float32Array.from(values, (value) => value - 1) : values,
});

/** A source over the bytes of a packed network. */
export const packedSource = (bytes: Uint8Array): Source =>
  defineSource({ apiVersion: 1, name: 'packed', open: () => openPacked(bytes, { origin: 'packed', revision: 'test' }) });
