import type * as tf from '@tensorflow/tfjs-core';
import type { layers } from '@tensorflow/tfjs-layers';
import type { Base } from '../base.js';
import { createRandom } from '../common/random.js';
import { TransferKitError } from '../errors.js';
import { nextSeed } from '../layers/call-keywords.js';
import type { LayerAdapter } from '../layers/run-graph.js';
import type { WeightTarget } from '../weights/fill-model.js';
import { applyLinear, type LinearLayer } from './linear-layer.js';
import type { AdapterRecipe } from './recipe.js';
import { LowRankUpdate } from './low-rank-update.js';
import { adaptableLayers, type AdaptableLayer } from './match-targets.js';

/** One adapted layer, as plain data. */
export interface AdaptedLayer {
  readonly layer: string;
  readonly rank: number;
  /** The update is multiplied by alpha / rank. */
  readonly alpha: number;
}

/** One weight of an adapter. */
export interface AdapterWeight {
  readonly variable: tf.Variable;
  readonly layerName: string;
  /** Place of the layer's group, from the input on. */
  readonly group: number;
  /** Name it is saved under: `layer-1/attention/query/lora_a`. */
  readonly name: string;
}

interface Member extends AdaptableLayer {
  readonly plan: AdaptedLayer;
  readonly update: LowRankUpdate;
}

/** A layer and what its kernel would be with the adapter in it. */
export interface MergedLayer {
  readonly layer: layers.Layer;
  readonly linear: LinearLayer;
  readonly kernel: tf.Tensor;
}

const noSuchLayer = (base: Base, layer: string): TransferKitError =>
  new TransferKitError(
    'bad-config',
    `the adapter changes a layer "${layer}", which ${base.parts.family.name} does not have as a dense layer or an ordinary convolution.\n  Fix: use the base that the adapter was made for.`,
    { details: { layer } },
  );

/** Gives each planned layer its update. */
function makeMembers(base: Base, dora: boolean, plan: readonly AdaptedLayer[], seed: number): Member[] {
  const known = new Map(adaptableLayers(base.parts.built).map((found) => [found.layer.name, found]));
  const unknown = plan.find(({ layer }) => !known.has(layer));
  if (unknown !== undefined) throw noSuchLayer(base, unknown.layer);
  const random = createRandom(seed);
  return plan.map((one) => {
    const found = known.get(one.layer)!;
    return { ...found, plan: one, update: new LowRankUpdate(found.linear, { ...one, dora }, random.fork(`adapter/${one.layer}`)) };
  });
}

const percent = (share: number): string => `${(100 * share).toLocaleString('en-US', { maximumSignificantDigits: 2 })} %`;

/**
 * A learnt change of a base, apart from the base's own weights. Made by `createAdapter`, `loadAdapter`, or `fineTune` with
 * `adapter: lora()`; used by a model with `model.useAdapter`.
 *
 * An Adapter owns its tensors. A model that uses it when it is disposed disposes it too, with the last such model; one that no
 * model uses is the caller's to `dispose()`.
 */
export class Adapter implements Disposable {
  readonly base: Base;
  readonly recipe: AdapterRecipe;
  /** Place of the first layer group with an adapted layer: what lies before it is computed as without the adapter. */
  readonly firstGroup: number;
  /** What is computed in place of the adapted layers, for predictions. @internal */ readonly inference: LayerAdapter;
  /** The same in training: inputs of the updates are dropped, and no gradient of a frozen kernel is formed. @internal */
  readonly training: LayerAdapter;
  /** Models that use it. @internal */ holders = 0;
  readonly #members: readonly Member[];
  #disposed = false;

  /** @internal */
  constructor(base: Base, recipe: AdapterRecipe, plan: readonly AdaptedLayer[], seed = 42) {
    this.base = base;
    this.recipe = recipe;
    this.#members = makeMembers(base, recipe.dora, plan, seed);
    this.firstGroup = Math.min(...this.#members.map(({ group }) => group));
    this.inference = this.#inInference();
    this.training = this.#inTraining();
  }

  /** True after `dispose()`. */
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /** The adapted layers, from input to output. */
  get layers(): readonly AdaptedLayer[] {
    return this.#members.map(({ plan }) => plan);
  }

  /** Number of weights that the adapter learns. */
  get parameters(): number {
    return this.weights().reduce((sum, { variable }) => sum + variable.size, 0);
  }

  /** Every weight, from input to output. */
  weights(): readonly AdapterWeight[] {
    return this.#members.flatMap(({ plan: { layer: layerName }, group, update }) =>
      update.variables.map(([part, variable]) => ({ variable, layerName, group, name: `${layerName}/${part}` })),
    );
  }

  #variables(): tf.Variable[] {
    return this.weights().map(({ variable }) => variable);
  }

  /** The adapter in words: `LoRA rank 8 on 36 layers: 147,456 trained parameters, 0.65 % of the base`. */
  describe(): string {
    const ranks = this.layers.map(({ rank }) => rank);
    const [least, most] = [Math.min(...ranks), Math.max(...ranks)];
    const kind = this.recipe.dora ? 'DoRA' : 'LoRA';
    const count = `${ranks.length} ${ranks.length === 1 ? 'layer' : 'layers'}`;
    const { parameters } = this;
    return `${kind} rank ${least === most ? least : `${least} to ${most}`} on ${count}: ${parameters.toLocaleString('en-US')} trained parameters, ${percent(parameters / this.base.parameters)} of the base`;
  }

  /** Every weight by its saved name, to be read and written. @internal */
  targets(): Map<string, WeightTarget> {
    return new Map(this.weights().map(({ name, variable }) => [name, weightTarget(variable)]));
  }

  /** Writes the kernels that the adapted layers would need to give the same without the adapter. @internal */
  merge(): void {
    for (const { linear, kernel } of this.mergedLayers()) {
      linear.kernel.write(kernel);
      kernel.dispose();
    }
  }

  /** Each adapted layer with the kernel that would give the same without the adapter. The caller disposes the kernels. @internal */
  mergedLayers(): MergedLayer[] {
    return this.#members.map(({ layer, linear, update }) => ({ layer, linear, kernel: update.mergedKernel() }));
  }

  /** @internal */
  assertUsable(): void {
    if (this.#disposed) throw new TransferKitError('disposed', 'this adapter was disposed; load or make it again to use it');
  }

  /** Frees the weights. Idempotent. @throws TransferKitError `bad-option` while a model uses it */
  dispose(): void {
    if (this.#disposed) return;
    if (this.holders > 0)
      throw new TransferKitError(
        'bad-option',
        'a model uses this adapter; take it off with model.useAdapter(undefined), or dispose the model, which disposes it too',
      );
    this.#disposed = true;
    this.base.networks.release(this.inference);
    for (const { update } of this.#members) update.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #inInference(): LayerAdapter {
    const updates = new Map(this.#members.map((member) => [member.layer, member]));
    const apply: LayerAdapter['apply'] = (layer, [inputs]) => {
      this.assertUsable();
      const { linear, update } = updates.get(layer)!;
      return applyLinear(linear, inputs!, (product) => update.adapt(product, inputs!));
    };
    return { handles: (layer) => updates.has(layer), apply, weights: () => this.#variables() };
  }

  #inTraining(): LayerAdapter {
    // Layers that are only passed through are taken apart too, because the gradient of their kernels would be formed otherwise.
    const passed = adaptableLayers(this.base.parts.built).filter(({ group }) => group >= this.firstGroup);
    const all: readonly (AdaptableLayer & { readonly update?: LowRankUpdate })[] = [...passed, ...this.#members];
    const parts = new Map(all.map((one) => [one.layer, one]));
    const { dropout: rate } = this.recipe;
    const apply: LayerAdapter['apply'] = (layer, [inputs], keywords) => {
      this.assertUsable();
      const { linear, update } = parts.get(layer)!;
      const dropout = update === undefined || rate === 0 ? undefined : { rate, seed: nextSeed(layer.name, keywords) };
      return applyLinear(linear, inputs!, (product) => update?.adapt(product, inputs!, dropout) ?? product);
    };
    return { handles: (layer) => parts.has(layer), apply, weights: () => this.#variables() };
  }
}

/** A variable as what weights are filled into and saved from. */
const weightTarget = (variable: tf.Variable): WeightTarget => ({
  shape: variable.shape,
  dtype: variable.dtype,
  read: () => variable,
  write: (value) => variable.assign(value),
});
