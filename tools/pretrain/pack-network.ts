import { createHash } from 'node:crypto';
import type { AnyBackbone } from '../../src/backbones/backbone.js';
import { matchBackbone } from '../../src/backbones/index.js';
import type { JsonObject } from '../../src/common/json.js';
import type { InputProcessor, InputRecipe } from '../../src/inputs/input.js';
import { disposeModel } from '../../src/layers/dispose-model.js';
import { namedWeights } from '../../src/layers/named-weights.js';
import { runtime } from '../../src/runtimes/node.js';
import { dequantize, scaleSuffix } from '../../src/sources/bundled/dequantize.js';
import { filePrefix } from '../../src/sources/bundled/open-packed.js';
import { folder as folderSource } from '../../src/sources/folder.js';
import type { Checkpoint } from '../../src/sources/source.js';
import { fillModel } from '../../src/weights/fill-model.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { writeSafetensors, type StorableTensor } from '../../src/weights/write-safetensors.js';
import { quantize } from './quantize.js';

/** A network as the file that ships, and what rounding cost. */
export interface PackedNetwork {
  readonly bytes: Uint8Array;
  /** Lower-case hex. */
  readonly sha256: string;
  /** The tensor that rounding changed most, and by how much: the root of its squared errors' sum over that of its squares. */
  readonly worst: { readonly tensor: string; readonly error: number };
}

const license = 'apache-2.0';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/**
 * Packs what a training program left in a folder: `model.safetensors` in a naming that a family knows, `config.json`, and for texts
 * `vocab.txt` or `tokenizer.json`. A config of our own form, `{ config, input }`, is taken as it is. Same folder, same bytes.
 * @throws TransferKitError as `loadPretrained`
 */
export async function packNetwork(name: string, folder: string): Promise<PackedNetwork> {
  await runtime.chooseBackend('cpu');
  const checkpoint = await folderSource(folder).open({ runtime });
  const family = await matchBackbone(checkpoint);
  const config = (checkpoint.config['config'] ?? (await family.parse(checkpoint))) as JsonObject;
  const input = (checkpoint.config['input'] ?? (await family.input(config, checkpoint))) as InputRecipe;
  const { tensors, worst } = quantizeAll(await readWeights(family, config, checkpoint));
  const base = { origin: `bundled://${name}`, revision: `sha256:${sha256(writeSafetensors(tensors))}`, license };
  const transferkit = JSON.stringify({ format: 1, backbone: { name: family.name, config }, input, base });
  const bytes = writeSafetensors(tensors, { transferkit, license, ...(await companions(family, input, checkpoint)) });
  return { bytes, sha256: sha256(bytes), worst };
}

/** Every weight of the family's network, filled from the checkpoint, by our name. */
async function readWeights(family: AnyBackbone, config: JsonObject, checkpoint: Checkpoint): Promise<Map<string, TensorValue>> {
  const { model } = family.build(config);
  try {
    const weights = namedWeights(model);
    await fillModel({ family: family.name, weights, checkpoint, tables: family.weights, config });
    const values = new Map<string, TensorValue>();
    for (const [name, weight] of weights) {
      const tensor = weight.read();
      values.set(`base/${name}`, { shape: tensor.shape, values: (await tensor.data()) as Float32Array | Int32Array });
    }
    return values;
  } finally {
    disposeModel(model);
  }
}

function quantizeAll(weights: ReadonlyMap<string, TensorValue>): Pick<PackedNetwork, 'worst'> & { tensors: Map<string, StorableTensor> } {
  const tensors = new Map<string, StorableTensor>();
  let worst = { tensor: 'none', error: 0 };
  for (const [name, value] of weights) {
    const { stored, scale } = quantize(name, value);
    tensors.set(name, stored);
    if (scale === undefined) continue;
    tensors.set(`${name}${scaleSuffix}`, scale);
    const error = relativeError(value, dequantize({ shape: value.shape, values: Int32Array.from(stored.values) }, scale));
    if (error > worst.error) worst = { tensor: name, error };
  }
  return { tensors, worst };
}

function relativeError(exact: TensorValue, rounded: TensorValue): number {
  const sum = (values: Float32Array, of: (value: number, index: number) => number): number =>
    values.reduce((total, value, index) => total + of(value, index) ** 2, 0);
  const values = exact.values as Float32Array;
  return Math.sqrt(
    sum(values, (value, index) => value - rounded.values[index]!) /
      Math.max(
        sum(values, (value) => value),
        Number.MIN_VALUE,
      ),
  );
}

/** The files that the input recipe needs, as entries of the metadata; a vocabulary where it says all that a larger file would. */
async function companions(family: AnyBackbone, input: InputRecipe, checkpoint: Checkpoint): Promise<Record<string, string>> {
  const process = (file: Checkpoint['file']): Promise<InputProcessor> => family.processor(input, { runtime, file });
  const given = await process((path) => checkpoint.file(path));
  const vocabulary = await checkpoint.file('vocab.txt');
  const small = vocabulary && (await process((path) => Promise.resolve(path === 'vocab.txt' ? vocabulary : undefined)));
  const { files } = small !== undefined && (await saySame(given, small, vocabulary!)) ? small : given;
  return Object.fromEntries([...files].map(([path, bytes]) => [`${filePrefix}${path}`, new TextDecoder().decode(bytes)]));
}

/** Whether two tokenizers split alike: every piece of the vocabulary by itself, and behind another. */
async function saySame(one: InputProcessor, other: InputProcessor, vocabulary: Uint8Array): Promise<boolean> {
  const pieces = new TextDecoder().decode(vocabulary).split('\n').filter((piece) => piece !== '' && !/^\[[A-Z]+\]$/.test(piece)); // prettier-ignore
  const texts = pieces.flatMap((piece, index) => [piece, `Été, ${pieces[(index * 7) % pieces.length]!}${piece.replace(/^##/, '')} 東京!`]);
  for (const text of texts) {
    const [first, second] = await Promise.all([one.encode(text), other.encode(text)]);
    if (JSON.stringify(first.arrays.map(({ values }) => [...values])) !== JSON.stringify(second.arrays.map(({ values }) => [...values])))
      return false;
  }
  return true;
}
