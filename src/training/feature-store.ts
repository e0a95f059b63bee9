import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { Dataset, SkippedItem } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import { runExamples } from '../inference/run-examples.js';
import type { EncodedArray } from '../inputs/input.js';
import { borderTensors } from '../layers/cut-graph.js';
import type { Random } from '../common/random.js';
import { readItem, readItems, type ReadItem } from '../inference/read-items.js';
import { orderedBatches } from './batches.js';
import type { AnyModel } from './weight-set.js';

/** One example as the trained part of the network sees it. */
export interface StoredExample {
  /** Per branch: one array per border tensor. */
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
  /** Names of the examples, in order. */
  readonly ids: readonly string[];
  /** Examples that could not be read. */
  readonly skipped: readonly SkippedItem[];
  /** Bytes of the budget that are left; not above 0 once examples had to be left out. */
  readonly room: number;
  read(indices: readonly number[]): Promise<StoredExample[]>;
}

/** What filling a store may use, report and obey. */
export interface StoreOptions {
  /** Bytes that features may take in memory. What is beyond is computed again each time it is read. */
  readonly budget: number;
  readonly signal?: AbortSignal;
  /** Draws for heads that corrupt their training inputs. */
  readonly random?: Random;
  readonly onItems?: (done: number, total: number) => void;
}

/** The tensors that cross into a group, given what the head takes. */
export function bordersOf(model: AnyModel, firstGroup: number): SymbolicTensor[] {
  const wanted = model.head.takes.map((name) => model.base.feature(name));
  return borderTensors(model.base.parts.built, wanted, firstGroup);
}

/** Examples encoded at once: bounds the memory of decoded photos. */
const chunkSize = 64;

const bytesOf = (example: StoredExample): number => example.branches.flat().reduce((sum, array) => sum + array.values.byteLength, 0);

class Store implements FeatureStore {
  readonly targets: unknown[] = [];
  readonly lengths: number[] = [];
  readonly ids: string[] = [];
  readonly skipped: SkippedItem[] = [];
  room: number;
  readonly #indices: number[] = [];
  readonly #examples: (StoredExample | undefined)[] = [];

  constructor(
    private readonly model: AnyModel,
    private readonly data: Dataset,
    readonly firstGroup: number,
    private readonly options: StoreOptions,
  ) {
    this.room = options.budget;
  }

  get count(): number {
    return this.ids.length;
  }

  async fill(): Promise<void> {
    for (let start = 0; start < this.data.length; start += chunkSize) {
      this.#assertNotAborted();
      const items = await readItems(this.model, this.data, start, Math.min(this.data.length, start + chunkSize), this.skipped);
      const examples = await this.#compute(items);
      items.forEach((item, index) => this.#add(item, examples[index]!));
      this.options.onItems?.(Math.min(this.data.length, start + chunkSize), this.data.length);
    }
    if (this.count > 0) return;
    const first = this.skipped[0];
    if (first === undefined) throw new TransferKitError('bad-data', `there is nothing to learn from: ${this.data.origin} has no examples`);
    throw new TransferKitError(
      'bad-data',
      `no example of ${this.data.origin} could be read; ${this.skipped.length} were skipped.\n  First: ${first.id}: ${first.reason}`,
    );
  }

  read(indices: readonly number[]): Promise<StoredExample[]> {
    return readKept(this.#examples, indices, async (missing) => {
      const { random } = this.options;
      return this.#compute(await Promise.all(missing.map((index) => readItem(this.model, this.data, this.#indices[index]!, random))));
    });
  }

  #add(item: ReadItem, example: StoredExample): void {
    this.#indices.push(item.index);
    this.ids.push(item.id);
    this.targets.push(item.rawTarget);
    this.lengths.push(Math.max(...item.branches.map((input) => input.length)));
    this.room -= bytesOf(example);
    // A head that corrupts its inputs sees them anew each time; what was computed once must not be kept.
    const keep = this.room >= 0 && this.model.head.corrupt === undefined;
    this.#examples.push(keep ? example : undefined);
  }

  /** Runs the part in front of the border over some items. */
  async #compute(items: readonly ReadItem[]): Promise<StoredExample[]> {
    const { built, processor } = this.model.base.parts;
    const { branches } = this.model.head;
    const inputs = items.flatMap((item) => item.branches);
    const rows = await runExamples(
      { tensors: built.model.inputs, padding: processor.padding },
      inputs,
      bordersOf(this.model, this.firstGroup),
    );
    return items.map((item, index) => ({ branches: rows.slice(index * branches, (index + 1) * branches), target: item.target }));
  }

  #assertNotAborted(): void {
    const { signal } = this.options;
    if (!signal?.aborted) return;
    throw new TransferKitError('aborted', 'stopped while features were computed; nothing was trained and the model is as it was', {
      cause: signal.reason,
    });
  }
}

/**
 * Reads a data set once and runs the frozen part of the network over it. Features are kept in memory as far as the budget
 * goes; examples beyond it are read and computed again whenever they are needed.
 *
 * @param firstGroup the border: groups before it are computed ahead
 * @throws TransferKitError `aborted`; `bad-data` when no example is left; what a bad item raises, with its id
 */
export async function createFeatureStore(model: AnyModel, data: Dataset, firstGroup: number, options: StoreOptions): Promise<FeatureStore> {
  const store = new Store(model, data, firstGroup, options);
  await store.fill();
  return store;
}

/**
 * The same examples behind a later border: what lies between is computed as the weights stand now, and kept as far as the
 * store's room goes. What lies between must not learn while the result is read.
 */
export async function advanceStore(model: AnyModel, store: FeatureStore, firstGroup: number): Promise<FeatureStore> {
  if (store.firstGroup === firstGroup || model.head.corrupt !== undefined) return store;
  const start = { tensors: bordersOf(model, store.firstGroup) };
  const wanted = bordersOf(model, firstGroup);
  const { branches } = model.head;
  const compute = async (indices: readonly number[]): Promise<StoredExample[]> => {
    const stored = await store.read(indices);
    const inputs = stored.flatMap((example, place) =>
      example.branches.map((arrays) => ({ arrays, length: store.lengths[indices[place]!]! })),
    );
    const rows = await runExamples(start, inputs, wanted);
    return stored.map(({ target }, place) => ({ branches: rows.slice(place * branches, (place + 1) * branches), target }));
  };
  const examples: (StoredExample | undefined)[] = [];
  let { room } = store;
  for (const indices of orderedBatches(store.count, chunkSize)) {
    if (room <= 0) break;
    for (const example of await compute(indices)) examples.push((room -= bytesOf(example)) >= 0 ? example : undefined);
  }
  const { count, targets, lengths, ids, skipped } = store;
  return { count, targets, lengths, ids, skipped, firstGroup, room, read: (indices) => readKept(examples, indices, compute) };
}

/** Examples that are kept, and the missing ones computed together. */
async function readKept(
  kept: readonly (StoredExample | undefined)[],
  indices: readonly number[],
  compute: (missing: readonly number[]) => Promise<StoredExample[]>,
): Promise<StoredExample[]> {
  const missing = indices.filter((index) => kept[index] === undefined);
  const examples = missing.length === 0 ? [] : await compute(missing);
  const computed = new Map(missing.map((index, place) => [index, examples[place]!]));
  return indices.map((index) => kept[index] ?? computed.get(index)!);
}
