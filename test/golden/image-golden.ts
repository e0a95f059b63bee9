import { existsSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-wasm';
import type { AnyBackbone, BuiltBackbone } from '../../src/backbones/backbone.js';
import { matchBackbone } from '../../src/backbones/index.js';
import type { InputRecipe } from '../../src/inputs/input.js';
import type { JsonObject } from '../../src/common/json.js';
import { namedWeights } from '../../src/layers/named-weights.js';
import { runGraph } from '../../src/layers/run-graph.js';
import { joinPath, listFolder, openFile, sha256 } from '../../src/runtimes/node/files.js';
import { decodeImage } from '../../src/runtimes/node/images.js';
import type { Runtime } from '../../src/runtimes/runtime.js';
import { folder } from '../../src/sources/folder.js';
import { tfjs } from '../../src/sources/tfjs.js';
import type { Checkpoint } from '../../src/sources/source.js';
import { memoryFile } from '../../src/weights/byte-file.js';
import { fillModel } from '../../src/weights/fill-model.js';
import { readSafetensorsHeader, readTensor } from '../../src/weights/safetensors.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';

/** What Node does for these tests: files and pictures. */
export const runtime = { name: 'node', joinPath, listFolder, openFile, sha256, decodeImage } as unknown as Runtime;

/** A case on disk: a checkpoint, photos, and what the reference makes of them, photos last axis first: [photo, row, column, channel]. */
export interface GoldenCase {
  readonly checkpoint: string;
  readonly photos: readonly string[];
  readonly outputs: Readonly<Record<string, TensorValue>>;
}

/** The reference's own names of the outputs that every family has. */
const outputNames: Readonly<Record<string, string>> = {
  pixel_values: 'pixels',
  last_hidden_state: 'map',
  features: 'map',
  pooler_output: 'pooled',
  pooled: 'pooled',
};

/** [photo, channel, row, column] as [photo, row, column, channel]. */
function channelsLast({ shape, values }: TensorValue): TensorValue {
  if (shape.length !== 4) return { shape, values };
  const tensor = tf.tidy(() => tf.transpose(tf.tensor(values, [...shape]), [0, 2, 3, 1]));
  const turned = { shape: tensor.shape, values: tensor.dataSync() as Float32Array };
  tensor.dispose();
  return turned;
}

/** Reads a case. */
export async function goldenCase(path: string): Promise<GoldenCase> {
  await tf.setBackend('wasm');
  const { inputs, outputs } = JSON.parse(readFileSync(`${path}/case.json`, 'utf8')) as { inputs: string | string[]; outputs: Record<string, string> };
  const file = memoryFile(readFileSync(`${path}/expected.safetensors`));
  const header = await readSafetensorsHeader(file);
  const found: Record<string, TensorValue> = {};
  for (const [name, tensor] of header.tensors) {
    const value = await readTensor(file, tensor);
    found[outputNames[name] ?? name] = outputs[name]!.includes('channel, row') ? channelsLast(value) : value;
  }
  return { checkpoint: `${path}/checkpoint`, photos: (Array.isArray(inputs) ? inputs : []).map((name) => new URL(`inputs/${name}`, import.meta.url).href), outputs: found };
}

/** Opens a checkpoint folder of either kind. */
export function openGolden(path: string): Promise<Checkpoint> {
  const source = existsSync(`${path}/model.json`) ? tfjs(`${path}/model.json`) : folder(path);
  return source.open({ runtime });
}

/** A family filled from a checkpoint. */
export interface Filled {
  readonly family: AnyBackbone;
  readonly config: JsonObject;
  readonly recipe: InputRecipe;
  readonly built: BuiltBackbone;
}

/** Builds and fills the network of a checkpoint. With `recipe: null` it need not be one for photos. */
export async function fillFrom(checkpoint: Checkpoint, over: { family?: AnyBackbone; config?: JsonObject; recipe?: JsonObject | null | undefined } = {}): Promise<Filled> {
  const family = over.family ?? (await matchBackbone(checkpoint));
  const config = { ...((await family.parse(checkpoint)) as JsonObject), ...over.config };
  const recipe = { ...(over.recipe === null ? {} : await family.input(config, checkpoint)), ...over.recipe } as InputRecipe;
  const built = family.build(config);
  await fillModel({ family: family.name, weights: namedWeights(built.model), checkpoint, tables: family.weights, config });
  return { family, config, recipe, built };
}

/** What this library makes of a case: the pixels that go in, the map, the pooled features. */
export async function loadGolden(golden: GoldenCase, over: Parameters<typeof fillFrom>[1] = {}) {
  const checkpoint = await openGolden(golden.checkpoint);
  const { family, recipe, built } = await fillFrom(checkpoint, over);
  const processor = await family.processor(recipe, { runtime, file: (path) => checkpoint.file(path) });
  const encoded = await Promise.all(golden.photos.map((photo) => processor.encode(photo)));
  const wanted = [built.features.pooled, ...(built.features.map === undefined ? [] : [built.features.map])];
  const [pixels, pooled, map] = tf.tidy(() => {
    const batch = tf.stack(encoded.map(({ arrays }) => tf.tensor(arrays[0]!.values, [...arrays[0]!.shape])));
    return [batch, ...runGraph(new Map([[built.model.inputs[0]!, batch]]), wanted)];
  });
  const named = Object.entries({ pixels, pooled, map }).filter((entry): entry is [string, tf.Tensor] => entry[1] !== undefined);
  const outputs = Object.fromEntries(named.map(([name, tensor]) => [name, { shape: tensor.shape, values: tensor.dataSync() as Float32Array }]));
  tf.dispose(named.map(([, tensor]) => tensor));
  built.model.dispose();
  await checkpoint.close();
  return { family, outputs: outputs as Record<string, TensorValue> };
}

/** The largest absolute difference of two tensors, which must have one shape. */
export function largestDifference(a: TensorValue, b: TensorValue): number {
  if (a.shape.join() !== b.shape.join()) throw new Error(`shapes differ: [${a.shape.join()}] and [${b.shape.join()}]`);
  let largest = 0;
  for (let index = 0; index < a.values.length; index++) largest = Math.max(largest, Math.abs(a.values[index]! - b.values[index]!));
  return largest;
}
