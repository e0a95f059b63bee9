import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import type { AnyBackbone, BuiltBackbone } from '../../src/backbones/backbone.js';
import { collateInputs } from '../../src/inference/run-examples.js';
import type { EncodedInput, InputProcessor } from '../../src/inputs/input.js';
import type { TextRecipe } from '../../src/inputs/text.js';
import type { JsonObject } from '../../src/common/json.js';
import { namedWeights } from '../../src/layers/named-weights.js';
import { runGraph } from '../../src/layers/run-graph.js';
import { joinPath, listFolder, openFile, sha256 } from '../../src/runtimes/node/files.js';
import type { Runtime } from '../../src/runtimes/runtime.js';
import { folder } from '../../src/sources/folder.js';
import { memoryFile } from '../../src/weights/byte-file.js';
import { fillModel } from '../../src/weights/fill-model.js';
import { readSafetensorsHeader, readTensor } from '../../src/weights/safetensors.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';

const runtime = { name: 'node', joinPath, listFolder, openFile, sha256 } as unknown as Runtime;

/** A case on disk: a checkpoint, texts, and what the reference makes of them. */
export interface TextCase {
  readonly checkpoint: string;
  readonly texts: readonly string[];
  readonly pairs: readonly (readonly [string, string])[];
  /** Tokens that the reference cuts at. */
  readonly maxLength: number | undefined;
  readonly expected: Readonly<Record<string, TensorValue>>;
}

export async function textCase(path: string): Promise<TextCase> {
  const description = JSON.parse(readFileSync(`${path}/case.json`, 'utf8')) as { inputs: string[]; pairs?: [string, string][]; max_length?: number };
  const file = memoryFile(readFileSync(`${path}/expected.safetensors`));
  const { tensors } = await readSafetensorsHeader(file);
  const expected: Record<string, TensorValue> = {};
  for (const [name, tensor] of tensors) expected[name] = await readTensor(file, tensor);
  return {
    checkpoint: `${path}/checkpoint`,
    // An empty text is refused here and has no tokens there; white space has none either.
    texts: description.inputs.map((text) => (text === '' ? ' ' : text)),
    pairs: description.pairs ?? [],
    maxLength: description.max_length,
    expected,
  };
}

/** A family filled from a case's checkpoint, with its processor. */
export interface FilledText {
  readonly config: JsonObject;
  readonly recipe: TextRecipe;
  readonly built: BuiltBackbone;
  readonly processor: InputProcessor;
}

export async function fillText(family: AnyBackbone, golden: TextCase, over: JsonObject = {}): Promise<FilledText> {
  await tf.setBackend('cpu');
  const checkpoint = await folder(golden.checkpoint).open({ runtime });
  if (!family.matches(checkpoint)) throw new Error(`${family.name} does not recognise ${golden.checkpoint}`);
  const config = { ...((await family.parse(checkpoint)) as JsonObject), ...over };
  const recipe = (await family.input(config, checkpoint)) as TextRecipe;
  const built = family.build(config);
  await fillModel({ family: family.name, weights: namedWeights(built.model), checkpoint, tables: family.weights, config });
  const processor = await family.processor(recipe, { runtime, file: (path) => checkpoint.file(path) });
  await checkpoint.close();
  return { config, recipe, built, processor };
}

/** Encoded texts as the batch tensors that the network takes, by the recipe's names, as plain numbers. */
export function batchOf({ recipe, processor }: FilledText, encoded: readonly EncodedInput[]): Record<string, TensorValue> {
  const tensors = collateInputs(encoded, processor.padding);
  const values = tensors.map((tensor) => ({ shape: tensor.shape, values: tensor.dataSync() as Int32Array }));
  tf.dispose(tensors);
  return Object.fromEntries(recipe.arrays.map((name, index) => [name, values[index]!]));
}

/** Features of a batch as plain numbers. */
export function featuresOf({ built, processor }: FilledText, encoded: readonly EncodedInput[]): { pooled: TensorValue; sequence: TensorValue } {
  const features = tf.tidy(() => {
    const inputs = collateInputs(encoded, processor.padding);
    const feeds = new Map(built.model.inputs.map((input, index) => [input, inputs[index]!]));
    return runGraph(feeds, [built.features.pooled, built.features.sequence!]);
  });
  const [pooled, sequence] = features.map((tensor) => ({ shape: tensor.shape, values: tensor.dataSync() as Float32Array }));
  tf.dispose(features);
  return { pooled: pooled!, sequence: sequence! };
}

/** The largest absolute difference over all numbers of two tensors of one shape. */
export function largestDifference(a: TensorValue, b: TensorValue): number {
  if (a.shape.join() !== b.shape.join()) throw new Error(`shapes differ: [${a.shape.join()}] and [${b.shape.join()}]`);
  return Array.from(a.values).reduce((largest, value, index) => Math.max(largest, Math.abs(value - b.values[index]!)), 0);
}
