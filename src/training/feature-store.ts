import type { Dataset, SkippedItem } from '../data/dataset.js';
import type { Random } from '../common/random.js';
import type { Extractor } from '../feature-cache/extractor.js';
import { advancedSource, datasetSource } from '../feature-cache/example-source.js';
import { openShelf } from '../feature-cache/open-shelf.js';
import { StoredFeatures } from '../feature-cache/stored-features.js';
import type { InputAugmentation } from '../inputs/augment/recipe.js';
import type { EncodedArray } from '../inputs/input.js';
import type { AnyModel } from './weight-set.js';

export { bordersOf } from '../feature-cache/borders.js';

/** One example as the trained part of the network sees it. */
export interface StoredExample {
  /** Per branch: one array per border tensor. Not to be written: it may be the store's own memory. */
  readonly branches: readonly (readonly EncodedArray[])[];
  readonly target: readonly EncodedArray[];
}

/** Examples behind a border of the network, readable in any order, again and again. */
export interface FeatureStore {
  readonly count: number;
  /** Index of the first group that is not computed ahead. */
  readonly firstGroup: number;
  /** Raw targets, in order. */
  readonly targets: readonly unknown[];
  /** Cost of each example, for batching alike with alike. */
  readonly lengths: readonly number[];
  /** How much each example counts in the loss. */
  readonly weights: Float32Array;
  /** Examples that could not be read. */
  readonly skipped: readonly SkippedItem[];
  /** Bytes of the budget that are left; not above 0 once examples had to be left out. */
  readonly room: number;
  /** @param view 0 for the example as it is; from 1 on a random change of it, always the same for the same number */
  read(indices: readonly number[], view?: number): Promise<StoredExample[]>;
  /** Lets go of what it holds on disk. Idempotent. */
  close(): Promise<void>;
}

/** Where features are kept beyond memory. */
export interface StoreDisk {
  /** Folder of the cache. Default: the one that downloads are kept in. */
  readonly directory?: string;
  /** Largest size of all features in it. Default 10 GiB. */
  readonly maxBytes?: number;
  /** Milliseconds an example from which features go to disk though they fit into memory. Default 0.5. */
  readonly worthMilliseconds?: number;
}

/** What filling a store may use, report and obey. */
export interface StoreOptions {
  /** Bytes that features may take in memory. What is beyond is read from disk, or computed again each time it is read. */
  readonly budget: number;
  /** Keep features on disk, where the runtime can; absent: in memory alone. */
  readonly disk?: StoreDisk;
  /** What a view from 1 on is. */
  readonly augmentation?: InputAugmentation;
  /** Seed of the views. Default 42. */
  readonly seed?: number;
  /** Views from 1 on that are computed ahead and kept; one beyond is computed whenever it is read. Default 0. */
  readonly views?: number;
  /** What computes; closed by who made it. Default: this thread. */
  readonly extractor?: Extractor;
  readonly signal?: AbortSignal | undefined;
  /** Draws for heads that corrupt their training inputs. */
  readonly random?: Random;
  readonly onItems?: (done: number, total: number) => void;
  /** Told what does not stop the run: a full disk. */
  readonly onWarning?: (message: string) => void;
}

/**
 * Reads a data set once and runs the frozen part of the network over it. Features are kept in memory as far as the budget
 * goes, and on disk, where the next run finds them; what is in neither is read and computed again whenever it is needed.
 *
 * @param firstGroup the border: groups before it are computed ahead
 * @throws TransferKitError `aborted`; `bad-data` when no example is left; what a bad item raises, with its id
 */
export async function createFeatureStore(model: AnyModel, data: Dataset, firstGroup: number, options: StoreOptions): Promise<FeatureStore> {
  const source = datasetSource(model, data, firstGroup, options);
  const store = new StoredFeatures(source, await openShelf(model, firstGroup, data.length, options, options.budget), options);
  try {
    await store.fill();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/**
 * The same examples behind a later border: what lies between is computed as the weights stand now, and kept as far as the
 * store's room goes, and on disk as the store's options say. What lies between must not learn while the result is read. It is
 * closed with the store.
 */
export async function advanceStore(model: AnyModel, store: FeatureStore, firstGroup: number): Promise<FeatureStore> {
  if (store.firstGroup === firstGroup || model.head.corrupt !== undefined || !(store instanceof StoredFeatures)) return store;
  const shelf = await openShelf(model, firstGroup, store.count, store.options, store.room);
  const advanced = new StoredFeatures(advancedSource(model, store, firstGroup), shelf, store.options);
  store.closeWith(advanced);
  await advanced.fill();
  return advanced;
}
