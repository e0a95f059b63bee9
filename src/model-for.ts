import { addHead } from './add-head.js';
import { labelsOf, splitLoadOptions } from './base-and-data.js';
import { checkDataset } from './data/check-dataset.js';
import type { Dataset } from './data/dataset.js';
import { openData } from './data/open-data.js';
import { defaultBase } from './default-base.js';
import { classification } from './heads/classification.js';
import { loadPretrained, type LoadOptions, type PretrainedId } from './load-pretrained.js';
import { Model } from './model.js';
import type { FineTuneOptions } from './training/options.js';
import type { AnyModel } from './training/weight-set.js';

/** What `fineTune` takes beside a model or a base: labelled examples, or the path of some. */
export type Data = Dataset | string;
/** Options of the one-call form. */
export type OneCallOptions = FineTuneOptions & LoadOptions;

/** What `fineTune` was called with, told apart. */
export interface FineTuneRequest {
  /** Undefined where only data was given. */
  readonly start: AnyModel | PretrainedId | undefined;
  readonly data: Data;
  readonly options: OneCallOptions;
}

/** A model and data to train it on. */
export interface Prepared {
  readonly model: AnyModel;
  readonly examples: Dataset;
  readonly training: FineTuneOptions;
  /** Words on which base was taken, where none was named. */
  readonly baseReason?: string;
  /** Frees what was made here; a model that was given stays. */
  release(): void;
}

/** Tells `fineTune(data, options)` from `fineTune(model or base, data, options)`, by what stands second. */
export function requestOf(
  first: AnyModel | PretrainedId | Dataset,
  second: Data | OneCallOptions | undefined,
  third: OneCallOptions | undefined,
): FineTuneRequest {
  if (first instanceof Model || third !== undefined || !isOptions(second))
    return { start: first as AnyModel | PretrainedId, data: second as Data, options: third ?? {} };
  return { start: undefined, data: first as Data, options: second ?? {} };
}

/** Nothing, or a plain object that is no data set. */
const isOptions = (value: unknown): value is OneCallOptions | undefined =>
  value === undefined ||
  (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype && !('items' in value));

/**
 * What `fineTune` was given, as a model and a data set: the short form loads the base, and takes one of the package's own where none
 * was named, and infers a classifier from the labels.
 */
export async function modelFor({ start, data, options }: FineTuneRequest): Promise<Prepared> {
  if (start instanceof Model) {
    checkDataset(data, start.base.modality);
    return { model: start, examples: data as Dataset, training: options, release: () => undefined };
  }
  const { load, rest: training } = splitLoadOptions(options);
  const chosen = start === undefined ? await defaultBase(data, options.runtime) : undefined;
  const base = await loadPretrained(chosen?.name ?? start!, load);
  try {
    const examples = await openData(data, base.modality, base.parts.runtime);
    labelsOf(examples); // a classifier needs them
    const model = addHead(base, classification(examples.labels), { seed: options.seed ?? 42 }) as AnyModel;
    return { model, examples, training, ...(chosen && { baseReason: chosen.reason }), release: () => model.dispose() };
  } catch (error) {
    base.dispose();
    throw error;
  }
}
