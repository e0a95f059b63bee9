import * as tf from '@tensorflow/tfjs-core';
import { input, model as makeModel } from '@tensorflow/tfjs-layers';
import type { LayersModel, SymbolicTensor, layers } from '@tensorflow/tfjs-layers';
import { checkImageRecipe } from '../inputs/check-image-recipe.js';
import { recipeSize } from '../inputs/image-recipe.js';
import type { InputRecipe, Modality } from '../inputs/input.js';
import { topologicalOrder } from '../layers/run-graph.js';
import { featuresOf, mergeForExport, settleWeights, type ExportSubject, type MergedAdapter } from './export-subject.js';
import { plainLayers, type PlainLayers } from './plain-layers.js';

/** Copies parts of networks, layer by layer, into layers of plain tfjs. */
class PlainCopy {
  readonly #copies = new Map<layers.Layer, PlainLayers>();
  readonly #names = new Set<string>();

  constructor(private readonly merged: MergedAdapter) {}

  /** A name that no layer has yet: base and head may both have a "dropout". */
  name(wanted: string): string {
    let name = wanted;
    for (let count = 2; this.#names.has(name); count++) name = `${wanted}_${count}`;
    this.#names.add(name);
    return name;
  }

  /** Copies what lies between the fed tensors and the wanted ones. A layer that was copied before is used again. */
  between(feeds: ReadonlyMap<SymbolicTensor, SymbolicTensor>, wanted: readonly SymbolicTensor[]): SymbolicTensor[] {
    const values = new Map(feeds);
    for (const tensor of topologicalOrder(wanted, new Set(feeds.keys()))) {
      if (values.has(tensor)) continue;
      const inputs = tensor.inputs.map((one) => values.get(one)!);
      values.set(tensor, this.#apply(tensor.sourceLayer, inputs));
    }
    return wanted.map((tensor) => values.get(tensor)!);
  }

  #apply(layer: layers.Layer, inputs: readonly SymbolicTensor[]): SymbolicTensor {
    const plain = this.#copies.get(layer) ?? plainLayers(layer, this.name(layer.name), inputs[0]!.shape);
    this.#copies.set(layer, plain);
    const [first, ...more] = plain.chain;
    const output = first!.apply(inputs.length === 1 ? inputs[0]! : [...inputs]) as SymbolicTensor;
    return more.reduce((tensor, next) => next.apply(tensor) as SymbolicTensor, output);
  }

  /** Frees the copies, where no model came of them. */
  dispose(): void {
    const made = [...this.#copies.values()].flatMap(({ chain }) => chain.flatMap(({ weights }) => weights));
    tf.dispose(made.map((weight) => weight.read()));
  }

  /** Gives the copies the numbers of the originals. */
  fill(): void {
    for (const [layer, { chain, weights }] of this.#copies) {
      tf.tidy(() => {
        const kernel = this.merged.kernels.get(layer);
        const own = layer.weights.map((weight, index) => (index === 0 && kernel !== undefined ? kernel : weight.read()));
        chain[0]!.setWeights([...weights(own)]);
      });
    }
  }
}

/** Sizes that the recipe gives to an input, for those that the network leaves open. */
const recipeSizes: Readonly<Record<Modality, (recipe: InputRecipe) => readonly (number | null)[]>> = {
  image: (recipe) => recipeSize(checkImageRecipe(recipe)),
  text: () => [],
};

/** The shape of an input without the batch axis; null where the size varies. */
function inputShape({ modality, parts }: ExportSubject['base'], symbolic: SymbolicTensor): (number | null)[] {
  const sizes = recipeSizes[modality](parts.processor.recipe);
  return symbolic.shape.slice(1).map((size, axis) => size ?? sizes[axis] ?? null);
}

function assemble(copy: PlainCopy, subject: ExportSubject): LayersModel {
  const { base, model } = subject;
  const start = base.parts.built.model.inputs;
  const { takes, branches } = model?.head ?? { takes: ['pooled'] as const, branches: 1 };
  const inputs: SymbolicTensor[] = [];
  const features = Array.from({ length: branches }, () => {
    const fed = start.map((symbolic) =>
      input({ shape: inputShape(base, symbolic), dtype: symbolic.dtype, name: copy.name(symbolic.sourceLayer.name) }),
    );
    inputs.push(...fed);
    return copy.between(new Map(start.map((symbolic, index) => [symbolic, fed[index]!])), featuresOf(subject, takes));
  }).flat();
  const ends = model?.headModel;
  const outputs =
    ends === undefined ? features : copy.between(new Map(ends.inputs.map((symbolic, index) => [symbolic, features[index]!])), ends.outputs);
  return makeModel({ inputs, outputs, name: base.parts.family.name });
}

/**
 * A model or base as a LayersModel of plain tfjs's own layers, adapter merged. Caller disposes it.
 * @throws TransferKitError `unsupported` naming a layer that tfjs has no equal of
 */
export function plainModel(subject: ExportSubject): LayersModel {
  settleWeights(subject);
  const merged = mergeForExport(subject);
  const copy = new PlainCopy(merged);
  try {
    const model = assemble(copy, subject);
    copy.fill();
    return model;
  } catch (error) {
    copy.dispose();
    throw error;
  } finally {
    merged.dispose();
  }
}
