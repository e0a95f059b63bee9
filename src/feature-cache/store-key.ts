import type * as tf from '@tensorflow/tfjs-core';
import { canonicalJson } from '../common/canonical-json.js';
import type { JsonObject } from '../common/json.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { AnyModel } from '../training/weight-set.js';
import { bordersOf } from './borders.js';

/** Counts changes of what the same weights and inputs give: a mended resize, a record laid out differently. */
const numbersVersion = 1;

/** What features belong to: same name, same numbers. */
export interface StoreIdentity {
  /** SHA-256 over all that decides the features of an example. */
  readonly name: string;
  /** The same for people. */
  readonly about: JsonObject;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Hashes of weights by their data: a weight that is written to gets new data, so what is known stays true. */
const knownHashes = new WeakMap<object, string>();

async function hashTensor(tensor: tf.Tensor, runtime: Runtime): Promise<string> {
  const known = knownHashes.get(tensor.dataId);
  if (known !== undefined) return known;
  const { dataId } = tensor;
  const values = await tensor.data();
  const hash = await runtime.sha256(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  knownHashes.set(dataId, hash);
  return hash;
}

/** Names, shapes and hashes of all weights in front of the border, those of an adapter included. */
async function weightFacts(model: AnyModel, firstGroup: number): Promise<(readonly [string, readonly number[], string])[]> {
  const { runtime, built } = model.base.parts;
  const ofBase = built.groups
    .slice(0, firstGroup)
    .flatMap((group) => group.layers)
    .flatMap((layer) => layer.weights.map((weight) => ({ name: weight.originalName, tensor: weight.read() })));
  const ofAdapter = (model.adapter?.weights() ?? [])
    .filter(({ group }) => group < firstGroup)
    .map(({ name, variable }) => ({ name: `adapter/${name}`, tensor: variable }));
  const facts: (readonly [string, readonly number[], string])[] = [];
  for (const { name, tensor } of [...ofBase, ...ofAdapter]) facts.push([name, tensor.shape, await hashTensor(tensor, runtime)]);
  return facts;
}

/** Hashes of the tokenizer and whatever else belongs to the processor. */
async function fileFacts(model: AnyModel): Promise<(readonly [string, string])[]> {
  const { processor, runtime } = model.base.parts;
  return Promise.all([...processor.files].map(async ([name, bytes]) => [name, await runtime.sha256(bytes)] as const));
}

/** How features of a model at a border are known again. */
export async function storeIdentity(model: AnyModel, firstGroup: number): Promise<StoreIdentity> {
  const { family, config, processor, runtime, provenance, built, backend, attached } = model.base.parts;
  const { head } = model;
  const engine = model.base.engine.name;
  // By the layer's place: tfjs counts up the names of tensors from load to load.
  const places = new Map(built.model.layers.map((layer, index) => [layer, index]));
  const tensors = bordersOf(model, firstGroup);
  const borders = tensors.map((tensor) => [places.get(tensor.sourceLayer), tensor.nodeIndex, tensor.outputTensorIndex ?? 0, tensor.shape]);
  const weights = await weightFacts(model, firstGroup);
  const { adapter } = model;
  const inFront = adapter !== undefined && adapter.firstGroup < firstGroup ? { recipe: adapter.recipe, layers: adapter.layers } : null;
  const facts = {
    numbersVersion,
    backend: backend.backend,
    // Engines round differently: what is kept belongs to one. The name alone, where it is not tfjs, keeps older stores valid.
    ...(engine === 'eager' ? {} : { engine }),
    ...(attached === undefined ? {} : { runBy: attached.runBy }),
    family: family.name,
    config,
    recipe: processor.recipe,
    files: await fileFacts(model),
    takes: head.takes,
    branches: head.branches,
    borders,
    weights,
    adapter: inFront,
  };
  const names = built.groups.map((group) => group.name);
  const about = {
    family: family.name,
    origin: provenance.origin,
    revision: provenance.revision,
    groups: `${names[0]} to ${names[firstGroup - 1]}`,
    takes: [...head.takes],
    shapes: tensors.map(({ shape }) => [...shape.slice(1)]),
    recipe: processor.recipe,
    backend: backend.backend,
    engine,
    adapter: inFront !== null,
  };
  return { name: await runtime.sha256(utf8(canonicalJson(facts))), about: about as unknown as JsonObject };
}
