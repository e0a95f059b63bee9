import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createImageEncoder, imageRecipeFromHuggingFace, imageRecipeFromTimm, imageRecipeFromTorchvision, readImage, type ImageRecipe } from '../../src/inputs/image.js';
import { resizeImage, type Interpolation } from '../../src/inputs/resize.js';
import type { JsonObject } from '../../src/common/json.js';
import { decodeImage } from '../../src/runtimes/node/images.js';
import { openFile } from '../../src/runtimes/node/files.js';
import type { RgbImage, Runtime } from '../../src/runtimes/runtime.js';
import { memoryFile } from '../../src/weights/byte-file.js';
import { readSafetensorsHeader, readTensor } from '../../src/weights/safetensors.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { expectError } from '../data/expect-error.js';

const runtime = { openFile, decodeImage } as unknown as Runtime;
const at = (path: string): URL => new URL(path, import.meta.url);
const picture = (name: string): Promise<RgbImage> => readImage(at(`inputs/${name}`), runtime);
const caseOf = (part: string): Record<string, unknown> => JSON.parse(readFileSync(at(`preprocessing/${part}/case.json`), 'utf8')) as Record<string, unknown>;

/** What the reference made, by name. */
async function expectedOf(part: string): Promise<ReadonlyMap<string, TensorValue>> {
  const file = memoryFile(readFileSync(at(`preprocessing/${part}/expected.safetensors`)));
  const { tensors } = await readSafetensorsHeader(file);
  const values = await Promise.all([...tensors].map(async ([name, tensor]) => [name, await readTensor(file, tensor)] as const));
  return new Map(values);
}

/** The largest difference between two lists of numbers of one length. */
function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let largest = 0;
  for (let index = 0; index < expected.length; index++) largest = Math.max(largest, Math.abs(actual[index]! - expected[index]!));
  return largest;
}

/** Of 16-bit grey we keep the high byte as of 16-bit colour; the reference rounds, which differs by one level. */
const levels: Readonly<Record<string, number>> = { 'grey16.png': 1 };

describe('decoding', async () => {
  for (const [name, { shape, values }] of await expectedOf('decode')) {
    it(`${name} gives PIL's pixels`, async () => {
      const { width, height, data } = await picture(name);
      expect([height, width, 3]).toEqual(shape);
      expect(largestDifference(data, values)).toBeLessThanOrEqual(levels[name] ?? 0);
    });
  }

  it('refuses what is cut off, and text that is named .jpg', async () => {
    await expectError(() => picture('truncated.jpg'), 'corrupt-file', 'truncated.jpg', 'begins like JPEG', 'cut off');
    await expectError(() => picture('text.jpg'), 'corrupt-file', 'text.jpg', 'is not a picture', 'Received: text');
  });
});

describe('resizing', async () => {
  for (const [name, { shape, values }] of await expectedOf('resize')) {
    it(`${name} gives PIL's pixels`, async () => {
      const [file, interpolation] = name.split('/') as [string, Interpolation];
      const { data } = resizeImage(await picture(file), { height: shape[0]!, width: shape[1]!, interpolation, antialias: true });
      expect(largestDifference(data, values)).toBe(0);
    });
  }
});

const readers: Readonly<Record<string, (config: JsonObject) => ImageRecipe>> = {
  transformers: (config) => imageRecipeFromHuggingFace(config),
  timm: (config) => imageRecipeFromTimm(config),
  torchvision: (config) => imageRecipeFromTorchvision(config as never),
};

/** [channel, row, column] as [row, column, channel]. */
function channelsLast({ shape, values }: TensorValue): Float32Array {
  const places = shape[1]! * shape[2]!;
  return Float32Array.from({ length: values.length }, (_, index) => values[(index % 3) * places + Math.floor(index / 3)]!);
}

describe('recipes', async () => {
  const { recipes } = caseOf('recipes') as { recipes: Record<string, { library: string; config: JsonObject }> };
  for (const [name, expected] of await expectedOf('recipes')) {
    it(`${name} gives the numbers of its library`, async () => {
      const [recipeName, file] = name.split('/') as [string, string];
      const { library, config } = recipes[recipeName]!;
      const { arrays } = createImageEncoder(readers[library]!(config))(await picture(file));
      expect(arrays[0]!.shape).toEqual([expected.shape[1], expected.shape[2], 3]);
      expect(largestDifference(arrays[0]!.values, channelsLast(expected))).toBeLessThan(1e-6);
    });
  }
});
