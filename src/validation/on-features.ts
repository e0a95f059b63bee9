import { input, layers, model as layersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { BackboneFeatures, BuiltBackbone } from '../backbones/backbone.js';
import { Base } from '../base.js';
import { createDataset } from '../data/create-dataset.js';
import type { DataItem, Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import type { AnyHead } from '../heads/head.js';
import { readItems } from '../inference/read-items.js';
import { chunksOf } from '../inference/run-examples.js';
import type { EncodedInput, InputProcessor } from '../inputs/input.js';
import type { FineTuneOptions } from '../training/options.js';
import type { AnyModel } from '../training/weight-set.js';

/** A base that gives features computed before, and the examples by which it is asked for them. */
export interface FeaturePlace {
  readonly base: Base;
  /** Inputs are keys of features. */
  readonly examples: Dataset;
  /** What training there needs beside the caller's options. */
  readonly training: FineTuneOptions;
  dispose(): void;
}

/** A network that hands its inputs on: one for each feature that a head takes. */
function passOn(base: Base, { takes }: AnyHead): BuiltBackbone {
  const inputs = takes.map((name) => {
    const { shape, dtype } = base.feature(name);
    return input({ shape: shape.slice(1), name, dtype });
  });
  const outputs = inputs.map(
    (tensor) => layers.activation({ activation: 'linear', name: `${tensor.name}-as-it-is` }).apply(tensor) as SymbolicTensor,
  );
  const { embedding } = base.parts.built;
  return {
    model: layersModel({ inputs, outputs, name: 'features' }),
    groups: [{ name: 'features', layers: [] }],
    features: Object.fromEntries(takes.map((name, index) => [name, outputs[index]!])) as unknown as BackboneFeatures,
    ...(embedding === undefined ? {} : { embedding }),
  };
}

/** Features of all examples, by keys; and the examples that could be read, with keys for inputs. */
async function computeFeatures(
  base: Base,
  head: AnyHead,
  data: Dataset,
  signal: AbortSignal | undefined,
): Promise<{ features: Map<string, EncodedInput>; items: DataItem[] }> {
  // What reads examples needs a head for their targets, and no more of a model.
  const reader = { base, head } as unknown as AnyModel;
  const features = new Map<string, EncodedInput>();
  const items: DataItem[] = [];
  const byId = new Map(data.items.map((item) => [item.id, item]));
  for (const chunk of chunksOf([...data.items.keys()])) {
    if (signal?.aborted)
      throw new TransferKitError('aborted', 'cross-validation was stopped while features were computed', { cause: signal.reason });
    for (const { id, branches } of await readItems(reader, data, chunk[0]!, chunk[0]! + chunk.length, [])) {
      const keys = branches.map((_, branch) => `${branch}:${id}`);
      const rows = await base.features(branches, head.takes);
      branches.forEach(({ length }, branch) => features.set(keys[branch]!, { arrays: rows[branch]!, length }));
      items.push({ ...byId.get(id)!, input: head.branches === 1 ? keys[0]! : keys });
    }
  }
  return { features, items };
}

/**
 * Computes the features of a frozen base once, and gives a base that hands them out. Heads train on it as they would on the base
 * itself.
 */
export async function onFeatures(base: Base, head: AnyHead, data: Dataset, signal: AbortSignal | undefined): Promise<FeaturePlace> {
  const { features, items } = await computeFeatures(base, head, data, signal);
  const { recipe, freeSize } = base.parts.processor;
  const processor: InputProcessor = {
    recipe,
    ...(freeSize === undefined ? {} : { freeSize }),
    encode: (key) => Promise.resolve(features.get(key as string)!),
    padding: head.takes.map(() => 0),
    files: new Map(),
  };
  const { attached: _attached, ...parts } = base.parts; // what the base runs is the base's to let go of
  const place = new Base({ ...parts, built: passOn(base, head), processor });
  place.holders++; // the models of the folds come and go
  return {
    base: place,
    examples: createDataset({ modality: data.modality, origin: data.origin, onBadItem: data.onBadItem, items }),
    // Keys mean nothing outside of this place: no other run, and no thread, may find features by them.
    training: { cache: false, worker: false, workers: 0 },
    dispose() {
      place.holders--;
      place.dispose();
    },
  };
}
