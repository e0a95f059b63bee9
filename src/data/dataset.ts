/**
 * The contract of a data set: a list of labelled examples that are read when they are needed.
 *
 * An item holds a way to its input (a path, a row), not the decoded input, so a data set of a million photos is small.
 */
import type { Modality } from '../inputs/input.js';
import type { ImageLimits } from '../runtimes/runtime.js';

/** A photo as a person has it: path, file URL or http(s) URL, encoded bytes, Blob, ImageData-like pixels, or a tensor. */
export type ImageInput = string | URL | Uint8Array | ArrayBuffer | Blob | PixelData | TensorLike | LimitedImage;

/** A photo with caps of its own, for one that is larger than the defaults allow. */
export interface LimitedImage {
  readonly image: Exclude<ImageInput, LimitedImage>;
  readonly limits: Partial<ImageLimits>;
}

/** Decoded pixels, as a canvas gives them: RGBA (or RGB, or grey) bytes, row-major. */
export interface PixelData {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** A tfjs tensor: int32 or float32 [height, width, 3], RGB, 0 to 255. */
export interface TensorLike {
  readonly shape: readonly number[];
  dataSync(): ArrayLike<number>;
}

/** A sentence, or two that belong together (question and context). */
export type TextInput = string | readonly [string, string];

/** What each modality takes. */
export interface RawInputs {
  readonly image: ImageInput;
  readonly text: TextInput;
}

/** One labelled example. `input` is an array of inputs for a head with several branches. */
export interface DataItem<M extends Modality = Modality, Target = unknown> {
  /** Path, row number or index: names the example in errors and reports. */
  readonly id: string;
  readonly input: RawInputs[M] | readonly RawInputs[M][];
  readonly target: Target;
  /** How much the example counts in the training loss. Default 1. */
  readonly weight?: number;
}

/** An example that could not be read, and why. */
export interface SkippedItem {
  readonly id: string;
  readonly reason: string;
}

/** What to do with an example that cannot be read: stop with an error that names it, or leave it out and list it. */
export type OnBadItem = 'error' | 'skip';

/** Parts to split a data set into. Fractions of the whole; the rest is `train`. */
export interface SplitOptions {
  readonly validation?: number;
  readonly test?: number;
  /** Same seed, same split. Default 42. */
  readonly seed?: number;
  /** Keep the proportion of each label in each part. Default true where targets are labels. */
  readonly stratify?: boolean;
}

/** The parts of a split. Empty parts have length 0. */
export interface Split<M extends Modality, Target> {
  readonly train: Dataset<M, Target>;
  readonly validation: Dataset<M, Target>;
  readonly test: Dataset<M, Target>;
}

/** A list of labelled examples. Immutable: every method gives a new one. */
export interface Dataset<M extends Modality = Modality, Target = unknown> {
  readonly modality: M;
  readonly items: readonly DataItem<M, Target>[];
  readonly length: number;
  /** The distinct labels, sorted; empty where targets are not strings. */
  readonly labels: readonly (Target & string)[];
  /** Examples left out while the data set was made (`onBadItem: 'skip'`). */
  readonly skipped: readonly SkippedItem[];
  readonly onBadItem: OnBadItem;
  /** Where it came from, for plans and model cards. */
  readonly origin: string;
  /** Examples per label. */
  classCounts(): Readonly<Record<Target & string, number>>;
  /** Stratified, seeded split. @throws TransferKitError `bad-option`, `bad-data` when a part would lack a label. */
  split(options: SplitOptions): Split<M, Target>;
  /** Seeded shuffle. */
  shuffle(seed?: number): Dataset<M, Target>;
  /** The first `count` examples. */
  take(count: number): Dataset<M, Target>;
  /** Those that pass. */
  filter(keep: (item: DataItem<M, Target>) => boolean): Dataset<M, Target>;
  /** Consecutive batches, the last one smaller. */
  batches(size: number): Iterable<readonly DataItem<M, Target>[]>;
}
