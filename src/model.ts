import type { Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Adapter } from './adapters/adapter.js';
import type { Base, Embedding } from './base.js';
import type { RawInputs } from './data/dataset.js';
import { settleWeights } from './engines/settle-weights.js';
import { TransferKitError } from './errors.js';
import type { Report } from './evaluation/report.js';
import type { ClassificationReport } from './evaluation/classification-report.js';
import type { ClassPrediction } from './heads/classification.js';
import type { Head } from './heads/head.js';
import { headOutputs } from './inference/head-outputs.js';
import { NetworkFunctions } from './inference/network-functions.js';
import { chunksOf } from './inference/run-examples.js';
import { encodeAll } from './inputs/encode.js';
import type { EncodedInput, Modality } from './inputs/input.js';
import type { JsonObject } from './common/json.js';
import { disposeModel } from './layers/dispose-model.js';
import { namedWeights } from './layers/named-weights.js';
import type { TrainingHistory } from './training/history.js';
import type { TrainingPlan } from './training/plan.js';
import type { WeightTarget } from './weights/fill-model.js';
import { checkAdapter, checkMerge } from './adapters/check-adapter.js';

/** How a model was trained, as plain data. */
export interface TrainingRecord {
  /** Where the training examples came from. */
  readonly data: string;
  /** Training examples per label; empty where targets are not labels. */
  readonly classCounts: Readonly<Record<string, number>>;
  /** The recipe. */
  readonly plan: Omit<TrainingPlan, 'describe'>;
  readonly history: TrainingHistory;
}

/** How a model was judged, as plain data. */
export interface MetricsRecord {
  /** Where the examples came from. */
  readonly data: string;
  readonly count: number;
  /** Headline figures by name. */
  readonly figures: Readonly<Record<string, number>>;
  /** The whole report. */
  readonly report: JsonObject;
}

/** What happened to a model: kept with it, and written by `save`. */
export interface ModelRecord {
  /** The last `fineTune`. */
  readonly training?: TrainingRecord;
  /** The last `evaluate`. */
  readonly metrics?: MetricsRecord;
}

/**
 * A base with a head: it predicts. Made by `addHead`, `fineTune` or `loadModel`.
 *
 * @typeParam M - `'image'` or `'text'`
 * @typeParam Target - what examples are labelled with; for a classifier the union of its labels
 * @typeParam B - how many inputs make an example: 1, or 2 for pairs
 */
export class Model<
  M extends Modality = Modality,
  Target = string,
  Prediction = ClassPrediction<Target & string>,
  R extends Report = ClassificationReport<Target & string>,
  B extends number = 1,
> implements Disposable {
  readonly base: Base<M>;
  readonly head: Head<Target, Prediction, R, B>;
  /** @internal */ readonly headModel: LayersModel;
  /** Compiled parts of the head. @internal */ readonly networks: NetworkFunctions;
  /** Training recipe, history and metrics so far. */
  record: ModelRecord = {};
  #adapter: Adapter | undefined;
  #disposed = false;

  /** @internal */
  constructor(base: Base<M>, head: Head<Target, Prediction, R, B>, headModel: LayersModel) {
    this.base = base;
    this.head = head;
    this.headModel = headModel;
    this.networks = headNetworks(base, head.name);
    base.models++;
    base.holders++;
  }

  /** True after `dispose()`. */
  get isDisposed(): boolean {
    return this.#disposed;
  }

  /** What is learnt beside the base's own weights; undefined where there is nothing. */
  get adapter(): Adapter | undefined {
    return this.#adapter;
  }

  /** The labels of a classifier, in the order of its scores; empty for other tasks. */
  get labels(): readonly (Target & string)[] {
    return (this.head.card.labels ?? []) as readonly (Target & string)[];
  }

  /**
   * Predicts for one input or for many, in batches of alike size. An array is always a list of inputs.
   *
   * @param inputs a photo (path, file URL, bytes, Blob, pixels, tensor) or a sentence, or an array of them; for a head that
   *   compares pairs, one `[a, b]` or an array of such
   * @returns plain data, one prediction an input: `{ label, confidence, scores }` for a classifier
   * @throws TransferKitError `bad-input`, `corrupt-file`, `not-found`, `too-large`, `disposed`
   */
  predict(inputs: readonly Branches<RawInputs[M], B>[]): Promise<Prediction[]>;
  predict(input: Branches<RawInputs[M], B>): Promise<Prediction>;
  async predict(inputs: unknown): Promise<Prediction | Prediction[]> {
    this.assertUsable();
    const one = isOne(inputs, this.head.branches);
    const examples = (one ? [inputs] : inputs) as readonly unknown[];
    const predictions: Prediction[] = [];
    for (const chunk of chunksOf(examples)) {
      const branches = await encodeBranches(this.base, this.head.branches, chunk);
      const outputs = await headOutputs(this, branches);
      predictions.push(...outputs.map((output, index) => this.head.decode(output, branches[index]!)));
    }
    return one ? predictions[0]! : predictions;
  }

  /** Features of the base for one input or many; see `Base.embed`. After `fineTune` these are the features it learnt. */
  embed(inputs: RawInputs[M] | readonly RawInputs[M][]): Promise<Embedding> {
    this.assertUsable();
    return this.base.embedWith(inputs, this.#adapter);
  }

  /**
   * Puts an adapter on, in place of the one that is on, or takes it off. Nothing is copied or loaded, and other models on the same
   * base do not notice. The adapter that was on stays as it is, to be put on again or disposed by the caller.
   *
   * @throws TransferKitError `bad-option` for an adapter of another base, or during training; `disposed`
   */
  useAdapter(adapter: Adapter | undefined): void {
    this.assertUsable();
    checkAdapter(this.base, adapter);
    if (this.#adapter !== undefined) this.#adapter.holders--;
    if (adapter !== undefined) adapter.holders++;
    this.#adapter = adapter;
  }

  /**
   * Adds the adapter to the weights of the base, for good: the model predicts what it predicted, and has no adapter any more. The
   * adapter is disposed. What else was learnt for the base no longer fits it.
   *
   * @throws TransferKitError `bad-option` without an adapter, while other models stand on the base or use the adapter, or during
   *   training; `disposed`
   */
  mergeAdapter(): void {
    this.assertUsable();
    const adapter = this.#adapter;
    checkMerge(this.base, adapter);
    adapter.merge();
    this.useAdapter(undefined);
    adapter.dispose();
  }

  /**
   * Writes adapter and head by themselves, without the base: a few hundred kilobytes. The adapter is in the format of the Python
   * package PEFT (`adapter_model.safetensors`, `adapter_config.json`); beside it lie the head and the training record, which PEFT
   * passes over. `loadModel(path, { base })` gives the model again, `loadAdapter(base, path)` the adapter alone. The folder appears
   * whole or not at all.
   *
   * @param path a folder's path, or `file://` and a path
   * @returns whether PEFT can read it: `peft` is false for bases whose layers have no names in PyTorch
   * @throws TransferKitError `bad-option` without an adapter, or for a place that holds anything but a saved adapter; `storage`,
   *   `disposed`
   */
  async saveAdapter(path: string): Promise<{ readonly peft: boolean }> {
    this.assertUsable();
    const { saveAdapter } = await import('./saving/save-adapter.js');
    return saveAdapter(this, path);
  }

  /**
   * Writes the model as one portable folder: weights, config, tokenizer or processor, labels, training record, metrics, licence
   * of the base and a model card. It loads with neither the original source nor the network. The folder appears whole or not
   * at all; a model that was there is replaced, anything else is left alone.
   *
   * @param path a folder's path, or `file://` and a path
   * @throws TransferKitError `bad-option` for a place that holds anything but a saved model; `storage`, `disposed`
   */
  async save(path: string): Promise<void> {
    this.assertUsable();
    const { saveModel } = await import('./saving/save-model.js');
    await saveModel(this, path);
  }

  /** All weights of base, adapter and head by their saved names, with the numbers that they have now. @internal */
  weights(): Map<string, WeightTarget> {
    this.assertUsable();
    const prefixed = (prefix: string, weights: ReadonlyMap<string, WeightTarget>) =>
      [...weights].map(([name, weight]) => [`${prefix}/${name}`, weight] as const);
    const weights = new Map([
      ...prefixed('base', this.base.weights()),
      ...prefixed('adapter', this.#adapter?.targets() ?? new Map<string, WeightTarget>()),
      ...prefixed('head', namedWeights(this.headModel)),
    ]);
    settleWeights(this.base.engine, weights);
    return weights;
  }

  /** @internal */
  assertUsable(): void {
    if (this.#disposed || this.base.isDisposed)
      throw new TransferKitError('disposed', 'this model was disposed; load or train it again to use it');
  }

  /** Frees the head, the adapter with the last model that uses it, and the base with the last model on it. Idempotent. */
  dispose(): void {
    if (this.#disposed) return;
    if (this.base.busy)
      throw new TransferKitError('bad-option', 'this model is being trained; abort the training and wait for it before dispose()');
    this.#disposed = true;
    this.networks.dispose();
    disposeModel(this.headModel);
    if (this.#adapter !== undefined && --this.#adapter.holders === 0) this.#adapter.dispose();
    this.base.models--;
    if (--this.base.holders === 0) this.base.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** What runs a head on a base. The head may share the base's token embedding. */
function headNetworks({ engine, parts }: Base, name: string): NetworkFunctions {
  const { built, processor } = parts;
  const shared = (): Tensor[] => (built.embedding === undefined ? [] : [built.embedding.read()]);
  return new NetworkFunctions({ name: `${name} head`, engine, freeSize: processor.freeSize, shared });
}

/** One input, or the inputs of a head with several branches. */
export type Branches<Raw, Count extends number = 1> = Count extends 1 ? Raw : readonly Raw[];

/** Whether `predict` was given one example rather than a list. A pair of inputs is one example where pairs are compared. */
function isOne(inputs: unknown, branches: number): boolean {
  return !Array.isArray(inputs) || (branches > 1 && inputs.length === branches && !Array.isArray(inputs[0]));
}

/** Encodes examples of one or more branches: per example, one encoded input a branch. */
export async function encodeBranches(base: Base, branches: number, examples: readonly unknown[]): Promise<EncodedInput[][]> {
  if (branches === 1) return (await encodeAll(base.parts.processor, examples)).map((encoded) => [encoded]);
  for (const example of examples) {
    if (!Array.isArray(example) || example.length !== branches) {
      throw new TransferKitError(
        'bad-input',
        `this head takes ${branches} inputs an example.\n  Received: ${Array.isArray(example) ? `${example.length} inputs` : typeof example}`,
      );
    }
  }
  const flat = await encodeAll(base.parts.processor, (examples as readonly (readonly unknown[])[]).flat());
  return examples.map((_, index) => flat.slice(index * branches, (index + 1) * branches));
}
