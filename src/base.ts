import * as tf from '@tensorflow/tfjs-core';
import type { layers } from '@tensorflow/tfjs-layers';
import type { Adapter } from './adapters/adapter.js';
import type { AnyBackbone, AttachedFiles, BuiltBackbone, FeatureName, LayerGroup } from './backbones/backbone.js';
import type { RawInputs } from './data/dataset.js';
import type { EngineChoice } from './engines/choose-engine.js';
import type { Engine } from './engines/engine.js';
import { settleWeights } from './engines/settle-weights.js';
import type { BackendChoice, OnnxRuntimeRequest, Runtime } from './runtimes/runtime.js';
import { TransferKitError } from './errors.js';
import { NetworkFunctions } from './inference/network-functions.js';
import { chunksOf, runExamples, sameSizeRows } from './inference/run-examples.js';
import type { EncodedArray, EncodedInput, InputProcessor, Modality } from './inputs/input.js';
import { encodeAll } from './inputs/encode.js';
import type { JsonObject } from './common/json.js';
import { disposeModel } from './layers/dispose-model.js';
import { namedWeights } from './layers/named-weights.js';

/** Features of one or many inputs: row-major `values`, one row an input. */
export interface Embedding {
  /** [features] for one input, [inputs, features] for many. */
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Where a base came from. */
export interface Provenance {
  readonly origin: string;
  readonly revision: string;
  readonly license?: string;
  /** Text of the licence file that came with the checkpoint. */
  readonly licenseText?: string;
}

/**
 * Whether normalisation layers of unfrozen groups use the statistics of the checkpoint (`inference`, what Keras advises for
 * fine-tuning) or of each batch, updating their own (`batch`, for training from scratch or on very different data).
 */
export type NormalizationMode = 'inference' | 'batch';

/** Which groups learn. Set by `freezeBase`. */
export interface FreezeState {
  /** One flag per group, from input to output. */
  readonly learns: readonly boolean[];
  readonly normalization: NormalizationMode;
}

/** Where a base lives. */
export interface Place {
  readonly runtime: Runtime;
  readonly backend: BackendChoice;
  readonly engine: EngineChoice;
  /** How ONNX Runtime is wanted, for families whose networks are its graphs. */
  readonly onnxRuntime: OnnxRuntimeRequest;
}

/** Everything a Base is made of. */
export interface BaseParts<M extends Modality> extends Place {
  readonly family: AnyBackbone<M>;
  readonly config: JsonObject;
  readonly built: BuiltBackbone;
  /** What the network consists of beside its tensors. */
  readonly attached?: AttachedFiles;
  readonly processor: InputProcessor;
  readonly provenance: Provenance;
  /** Which of the family's weight tables the checkpoint was read by, where it is known. */
  readonly layout?: string;
}

/** Number of weights of a group. */
const countParameters = ({ layers: members, fixed }: LayerGroup): number =>
  members
    .flatMap((layer) => layer.weights)
    .reduce((sum, weight) => sum + tf.util.sizeFromShape(weight.shape as number[]), fixed?.parameters ?? 0);

/**
 * A pretrained network without a head: it turns photos or sentences into features. Made by `loadPretrained`.
 *
 * A Base owns its tensors: call `dispose()` when it is no longer needed, or declare it with `using`.
 */
export class Base<M extends Modality = Modality> implements Disposable {
  readonly modality: M;
  /** What runs the network: `eager` calls tfjs for every operation, `onnx` is ONNX Runtime. */
  readonly engine: Engine;
  /** Compiled parts of the network. @internal */ readonly networks: NetworkFunctions;
  /** @internal */ readonly parts: BaseParts<M>;
  /** @internal */ freeze: FreezeState;
  /** Whether the caller decided on the freeze state; else each training chooses. @internal */ freezeIsChosen = false;
  /** Models that stand on this base. @internal */ models = 0;
  /** Those, and whoever else wants it to stay. @internal */ holders = 0;
  /** A training run is under way. @internal */ busy = false;
  #disposed = false;

  /** @internal */
  constructor(parts: BaseParts<M>) {
    const { family, engine, processor } = parts;
    this.modality = family.modality;
    this.engine = engine.engine;
    this.networks = new NetworkFunctions({ name: family.name, engine: this.engine, freeSize: processor.freeSize });
    this.parts = parts;
    this.freeze = { learns: parts.built.groups.map(() => false), normalization: 'inference' };
    // Which weights learn is decided here alone; flags that came with a topology would hide some from us.
    for (const layer of parts.built.model.layers) layer.trainable = true;
  }

  /** Where the weights came from: origin, revision, licence. */
  get provenance(): Provenance {
    return this.parts.provenance;
  }

  /** The layer groups from input to output, with their sizes and whether they learn. */
  get groups(): readonly { readonly name: string; readonly parameters: number; readonly learns: boolean }[] {
    return this.parts.built.groups.map((group, index) => ({
      name: group.name,
      parameters: countParameters(group),
      learns: this.freeze.learns[index]!,
    }));
  }

  /** True after `dispose()`. */
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /** Number of weights. */
  get parameters(): number {
    return this.groups.reduce((sum, group) => sum + group.parameters, 0);
  }

  /** The base in words: family, source, groups, what learns, what computes. */
  describe(): string {
    const groups = this.groups;
    const learning = groups.filter((group) => group.learns);
    const learns = learning.length === 0 ? 'all frozen' : `learning: ${learning.map((group) => group.name).join(', ')}`;
    const rows = groups.map(
      (group) => `  ${group.learns ? '*' : ' '} ${group.name.padEnd(16)} ${group.parameters.toLocaleString('en-US').padStart(12)}`,
    );
    return [
      `${this.parts.family.name} from ${this.provenance.origin}, ${this.parameters.toLocaleString('en-US')} parameters, ${learns}`,
      ...rows,
      ...(this.parts.attached === undefined ? [] : [`its graph is run by ${this.parts.attached.runBy}`]),
      `computed by ${this.parts.engine.reason}`,
      ...this.parts.engine.notes,
    ].join('\n');
  }

  /**
   * Features of one input or of many, as plain numbers.
   *
   * @param inputs one photo (path, file URL, bytes, Blob, pixels, tensor) or sentence, or an array of them
   * @returns float32 values of shape [features] for one input, [inputs, features] for many
   * @throws TransferKitError `bad-input`, `corrupt-file`, `not-found`, `too-large`, `disposed`
   * @example
   * ```ts
   * import { loadPretrained } from 'transferkit';
   *
   * const base = await loadPretrained('./all-MiniLM-L6-v2');
   * const { shape, values } = await base.embed(['a red rose', 'a late train']);
   * console.log(shape); // [2, 384]
   * ```
   */
  embed(inputs: RawInputs[M] | readonly RawInputs[M][]): Promise<Embedding> {
    return this.embedWith(inputs);
  }

  /** `embed` with the adapter of a model. @internal */
  async embedWith(inputs: RawInputs[M] | readonly RawInputs[M][], adapter?: Adapter): Promise<Embedding> {
    this.assertUsable();
    const many = Array.isArray(inputs);
    const rows: EncodedArray[][] = [];
    for (const chunk of chunksOf(many ? (inputs as readonly unknown[]) : [inputs])) {
      rows.push(...(await this.features(await encodeAll(this.parts.processor, chunk), ['pooled'], adapter)));
    }
    return sameSizeRows(rows, many, this.feature('pooled').shape[1]!);
  }

  /** Features by name of encoded inputs: per input, one array per name. @internal */
  async features(encoded: readonly EncodedInput[], names: readonly FeatureName[], adapter?: Adapter) {
    const wanted = names.map((name) => this.feature(name));
    return runExamples(this.networks, { start: this.parts.built.model.inputs, wanted, adapter }, encoded);
  }

  /** The symbolic tensor of a feature. @internal */
  feature(name: FeatureName) {
    const found = this.parts.built.features[name];
    if (found !== undefined) return found;
    const known = Object.keys(this.parts.built.features).join(', ');
    throw new TransferKitError(
      'unsupported',
      `the backbone ${this.parts.family.name} has no "${name}" features; it has ${known}.\n  Fix: choose a head that takes one of these, or another backbone.`,
    );
  }

  /** Whether a layer runs in training mode while its base is trained. @internal */
  trainingMode(): (layer: layers.Layer) => boolean {
    const learning = new Set(this.parts.built.groups.filter((_, index) => this.freeze.learns[index]).flatMap((group) => group.layers));
    const useBatch = this.freeze.normalization === 'batch';
    // A layer that carries statistics is one with weights that gradients never move.
    return (layer) => learning.has(layer) && (useBatch || layer.nonTrainableWeights.length === 0);
  }

  /** All weights by their saved names, with the numbers that they have now. @internal */
  weights() {
    this.assertUsable();
    const weights = namedWeights(this.parts.built.model);
    settleWeights(this.engine, weights);
    return weights;
  }

  /** @internal */
  assertUsable(): void {
    if (this.#disposed) throw new TransferKitError('disposed', `this ${this.parts.family.name} base was disposed; load it again to use it`);
  }

  /** Frees the weights. Models that stand on this base can no longer be used. Idempotent. */
  dispose(): void {
    if (this.#disposed) return;
    if (this.busy)
      throw new TransferKitError('bad-option', 'this base is being trained; abort the training and wait for it before dispose()');
    this.#disposed = true;
    this.networks.dispose();
    void this.parts.attached?.dispose();
    disposeModel(this.parts.built.model);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
