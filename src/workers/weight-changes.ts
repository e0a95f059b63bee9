import * as tf from '@tensorflow/tfjs-core';
import { Adapter, type AdaptedLayer } from '../adapters/adapter.js';
import type { AdapterRecipe } from '../adapters/recipe.js';
import type { AnyModel } from '../training/weight-set.js';
import type { TensorValue } from '../weights/tensor-value.js';

/** What training changed in a model, by the weights' saved names. */
export interface WeightChanges {
  readonly weights: ReadonlyMap<string, TensorValue>;
  /** An adapter that the model did not have before; its weights are among `weights`. */
  readonly adapter?: { readonly recipe: AdapterRecipe; readonly layers: readonly AdaptedLayer[] };
}

/** The state of a model to compare a later one with. */
interface Before {
  readonly adapter: Adapter | undefined;
  readonly data: ReadonlyMap<string, object>;
}

/** Remembers which data every weight has. tfjs gives a variable other data when it is written, so nothing need be copied. */
export function stateOf(model: AnyModel): Before {
  return { adapter: model.adapter, data: new Map([...model.weights()].map(([name, weight]) => [name, weight.read().dataId])) };
}

/** The weights that were written since, and the adapter that came. */
export async function changesSince(model: AnyModel, before: Before): Promise<WeightChanges> {
  const { adapter } = model;
  const weights = new Map<string, TensorValue>();
  for (const [name, weight] of model.weights()) {
    const tensor = weight.read();
    if (before.data.get(name) === tensor.dataId) continue;
    weights.set(name, { shape: tensor.shape, values: (await tensor.data()).slice() as TensorValue['values'] });
  }
  if (adapter === undefined || adapter === before.adapter) return { weights };
  return { weights, adapter: { recipe: adapter.recipe, layers: adapter.layers } };
}

/** Buffers that are handed over with changes. */
export const buffersOf = ({ weights }: WeightChanges): ArrayBuffer[] =>
  [...weights.values()].map(({ values }) => values.buffer as ArrayBuffer);

/** Writes changes into the same model in another thread: all of them, or, when one cannot be prepared, none. */
export function applyChanges(model: AnyModel, { weights, adapter: made }: WeightChanges): void {
  const adapter = made && new Adapter(model.base, made.recipe, made.layers);
  const own = new Map([...(adapter?.targets() ?? [])].map(([name, weight]) => [`adapter/${name}`, weight]));
  const targets = new Map([...model.weights(), ...own]);
  const prepared: (readonly [string, tf.Tensor])[] = [];
  try {
    for (const [name, { shape, values }] of weights) prepared.push([name, tf.tensor(values, [...shape], targets.get(name)!.dtype)]);
    for (const [name, tensor] of prepared) targets.get(name)!.write(tensor);
    if (adapter !== undefined) model.useAdapter(adapter);
  } catch (error) {
    adapter?.dispose();
    throw error;
  } finally {
    for (const [, tensor] of prepared) tensor.dispose();
  }
}
