import type { DataItem } from '../data/dataset.js';
import type { TransferKitError } from '../errors.js';
import type { InputAugmentation } from '../inputs/augment/recipe.js';
import type { EncodedArray } from '../inputs/input.js';

/** Which random change of an example is wanted. */
export interface ViewRequest {
  readonly augmentation: InputAugmentation;
  /** Seed of the run; with the example's id and `view` it decides the change. */
  readonly seed: number;
  /** From 1 on. */
  readonly view: number;
}

/** One example to be computed; without `view` as it is. */
export interface ExtractionJob {
  readonly item: DataItem;
  readonly view?: ViewRequest;
}

/** One example behind the border. */
export interface ExtractedExample {
  /** Per branch: one array per border tensor, without the batch axis. */
  readonly branches: readonly (readonly EncodedArray[])[];
  /** What `head.encode` made of the target. */
  readonly target: readonly EncodedArray[];
  /** Cost of the example: the largest `length` of its encoded inputs. */
  readonly length: number;
}

/** What became of a job: an example, or why it could not be read. */
export type ExtractedItem = ExtractedExample | { readonly error: TransferKitError };

/**
 * Computes what crosses a border of the network. The numbers of an example do not depend on what is computed with it: not on
 * order, batch or padding.
 */
export interface Extractor {
  /**
   * @returns one item per job, in their order; an example that is bad by itself gives `error`
   * @throws TransferKitError for what would make every example a bad one: `missing-package`, `disposed`
   */
  extract(jobs: readonly ExtractionJob[]): Promise<readonly ExtractedItem[]>;
  /** Frees what it holds (worker threads). Idempotent. */
  close(): Promise<void>;
}
