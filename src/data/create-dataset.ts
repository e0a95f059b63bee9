import { TransferKitError } from '../errors.js';
import type { Modality } from '../inputs/input.js';
import { createRandom } from '../common/random.js';
import type { DataItem, Dataset, OnBadItem, SkippedItem } from './dataset.js';
import { checkWeights } from './item-weight.js';
import { splitItems } from './split-items.js';

/** What a data set is made of. */
export interface DatasetParts<M extends Modality, Target> {
  readonly modality: M;
  readonly items: readonly DataItem<M, Target>[];
  /** Where the examples come from, for plans and model cards. */
  readonly origin: string;
  /** Examples that were left out while the list was made. */
  readonly skipped?: readonly SkippedItem[];
  /** Default `error`. */
  readonly onBadItem?: OnBadItem;
}

const defaultSeed = 42;

/** Examples per label, labels sorted; empty where a target is not a string. */
function countLabels(items: readonly DataItem[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { target } of items) {
    if (typeof target !== 'string') return new Map();
    counts.set(target, (counts.get(target) ?? 0) + 1);
  }
  return new Map([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function checkCount(what: string, count: number, least: number): void {
  if (Number.isInteger(count) && count >= least) return;
  throw new TransferKitError('bad-option', `${what} takes a whole number from ${least} on.\n  Received: ${String(count)}`, {
    details: { what, count },
  });
}

function* consecutive<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/**
 * Makes a data set from a list of examples. The list is copied once; the inputs themselves are read when they are needed.
 *
 * @throws TransferKitError `bad-data` for a weight below 0; `bad-option`, `bad-data` from the methods, as the contract says.
 * @example
 * ```ts
 * import { createDataset } from 'transferkit/data';
 *
 * const items = [{ id: 'a', input: 'good', target: 'yes' }, { id: 'b', input: 'bad', target: 'no' }] as const;
 * createDataset({ modality: 'text', items, origin: 'by hand' }).labels; // ['no', 'yes']
 * ```
 */
export function createDataset<M extends Modality, Target>(parts: DatasetParts<M, Target>): Dataset<M, Target> {
  const { modality, origin, onBadItem = 'error' } = parts;
  const items = Object.freeze([...parts.items]);
  checkWeights(items, origin);
  const skipped = Object.freeze([...(parts.skipped ?? [])]);
  let counts: ReadonlyMap<string, number> | undefined;
  const labelCounts = (): ReadonlyMap<string, number> => (counts ??= countLabels(items));
  const derive = (chosen: readonly DataItem<M, Target>[]): Dataset<M, Target> => createDataset({ ...parts, items: chosen });
  return Object.freeze<Dataset<M, Target>>({
    modality,
    items,
    length: items.length,
    get labels() {
      return Object.freeze([...labelCounts().keys()]) as readonly (Target & string)[];
    },
    skipped,
    onBadItem,
    origin,
    classCounts: () => Object.fromEntries(labelCounts()) as Record<Target & string, number>,
    split(options) {
      const { train, validation, test } = splitItems(items, options, origin);
      return { train: derive(train), validation: derive(validation), test: derive(test) };
    },
    shuffle: (seed = defaultSeed) => derive(Array.from(createRandom(seed).permutation(items.length), (index) => items[index]!)),
    take(count) {
      checkCount('take(count)', count, 0);
      return derive(items.slice(0, count));
    },
    filter: (keep) => derive(items.filter(keep)),
    batches(size) {
      checkCount('batches(size)', size, 1);
      return { [Symbol.iterator]: () => consecutive(items, size) };
    },
  });
}
