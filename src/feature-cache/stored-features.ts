import { breathe } from '../engines/breathe.js';
import type { DataItem, SkippedItem } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import { badItem } from '../inference/read-items.js';
import { inOrder } from '../inputs/encode.js';
import type { FeatureStore, StoredExample, StoreOptions } from '../training/feature-store.js';
import { viewRequest, type ExampleSource } from './example-source.js';
import type { ExtractedExample, ExtractedItem } from './extractor.js';
import type { OpenShelf } from './open-shelf.js';
import { decodeRecord, encodeRecord } from './record.js';
import { KeyList, keepsTarget, viewKey } from './record-keys.js';

/** Examples computed together: at least this many, and more where they are cheap, so that alike shapes meet. */
const smallestChunk = 64;
const largestChunk = 512;
/** Files that are read at once to see what is in them. */
const readAhead = 8;
/** Milliseconds after which a caller should hear of progress, and may stop. */
const chunkMilliseconds = 2000;

/** Features of examples: in memory, on disk, or computed when they are read. */
export class StoredFeatures implements FeatureStore {
  readonly targets: unknown[] = [];
  readonly lengths: number[] = [];
  readonly skipped: SkippedItem[] = [];
  readonly firstGroup: number;
  weights = new Float32Array(0);
  /** Place of each example in the source; room for all of it. */
  readonly #places: Uint32Array;
  readonly #keys: KeyList | undefined;
  readonly #withTarget: boolean;
  readonly #dependents: StoredFeatures[] = [];
  #chunk = smallestChunk;

  constructor(
    private readonly source: ExampleSource,
    private readonly opened: OpenShelf,
    readonly options: StoreOptions,
  ) {
    this.firstGroup = source.firstGroup;
    this.#places = new Uint32Array(source.places);
    this.#withTarget = keepsTarget(source.model);
    if (opened.disk !== undefined) this.#keys = new KeyList(source.places);
  }

  get count(): number {
    return this.lengths.length;
  }

  get room(): number {
    return this.opened.shelf.room;
  }

  itemOf(index: number): DataItem {
    return this.source.item(this.#places[index]!);
  }

  contentKeyOf(index: number): Uint8Array | undefined {
    return this.#keys?.get(this.#places[index]!);
  }

  /** Reads every example once, and computes what is kept ahead. */
  async fill(): Promise<void> {
    const { places, assertSome } = this.source;
    const total = places * (1 + Math.max(0, this.opened.lastView));
    const whole = await this.#inChunks(places, 0, total, (start, end) => this.#fillPlain(rangeOf(start, end)));
    assertSome(this.skipped);
    this.weights = Float32Array.from(this.#places.subarray(0, this.count), (place) => this.source.item(place).weight ?? 1);
    for (let view = 1; whole && view <= this.opened.lastView && this.opened.shelf.isOpen; view++) {
      const fillView = (start: number, end: number) => this.#fillView([...this.#places.subarray(start, end)], view);
      await this.#inChunks(this.count, view * places, total, fillView);
    }
  }

  /** @returns whether all was done; it may be stopped before */
  async #inChunks(count: number, before: number, total: number, work: (start: number, end: number) => Promise<void>): Promise<boolean> {
    const { signal, onItems } = this.options;
    for (let start = 0; start < count;) {
      await breathe();
      if (signal?.aborted) {
        const error = this.source.stopped(signal.reason);
        if (error !== undefined) throw error;
        this.#addRest(start, count, before);
        return false;
      }
      const end = Math.min(count, start + this.#chunk);
      await work(start, end);
      onItems?.(before + end, total);
      start = end;
    }
    return true;
  }

  /** Where filling was stopped and the rest is computed when it is read, the examples are there all the same. */
  #addRest(start: number, end: number, before: number): void {
    if (before === 0) for (const place of rangeOf(start, end)) this.#add(place, this.source.lengthOf!(place));
  }

  async #fillPlain(places: readonly number[]): Promise<void> {
    await this.#hash(places);
    const { lengthOf } = this.source;
    if (lengthOf !== undefined && !this.opened.shelf.isOpen) {
      for (const place of places) this.#add(place, lengthOf(place));
      return;
    }
    const obtained = await this.#obtain(places, 0);
    for (const [index, item] of obtained.entries()) {
      const place = places[index]!;
      const checked = this.#checkTarget(place, item);
      if ('error' in checked) this.skipped.push(this.source.skip(place, checked.error));
      else this.#add(place, checked.length);
    }
  }

  async #fillView(places: readonly number[], view: number): Promise<void> {
    const obtained = await this.#obtain(places, view);
    obtained.forEach((item, index) => this.#assertGood(places[index]!, item));
  }

  #add(place: number, length: number): void {
    this.#places[this.count] = place;
    this.targets.push(this.source.item(place).target);
    this.lengths.push(length);
  }

  /** Notes the content keys of examples. */
  async #hash(places: readonly number[]): Promise<void> {
    const keys = this.#keys;
    if (keys === undefined) return;
    let next = 0;
    for await (const key of inOrder(places.length, (index) => this.source.contentKey(places[index]!), readAhead))
      keys.set(places[next++]!, key);
  }

  /** A target that was not made when the features were found has to be one all the same. */
  #checkTarget(place: number, item: ExtractedItem): ExtractedItem {
    if ('error' in item || item.target.length > 0) return item;
    try {
      return { ...item, target: this.#encodeTarget(place) };
    } catch (error) {
      if (TransferKitError.isInstance(error)) return { error };
      throw error;
    }
  }

  #encodeTarget(place: number): StoredExample['target'] {
    return this.source.model.head.encode(this.source.item(place).target, []);
  }

  async read(indices: readonly number[], view = 0): Promise<StoredExample[]> {
    const places = indices.map((index) => this.#places[index]!);
    const number = this.options.augmentation === undefined ? 0 : view;
    const kept = this.opened.shelf.recall(places, number).map((bytes) => bytes && decodeRecord(bytes));
    const missing = [...new Set(places.filter((_, index) => kept[index] === undefined))];
    const obtained = missing.length === 0 ? [] : await this.#obtain(missing, number);
    const found = new Map(missing.map((place, index) => [place, obtained[index]!]));
    return places.map((place, index) => {
      const example = kept[index] ?? this.#assertGood(place, found.get(place)!);
      return { branches: example.branches, target: example.target.length > 0 ? example.target : this.#encodeTarget(place) };
    });
  }

  #assertGood(place: number, item: ExtractedItem): ExtractedExample {
    if ('error' in item) throw badItem(this.source.item(place).id, item.error);
    return item;
  }

  /** Gets examples that are not in memory: from disk, or by computing them. Keeps them where they may be kept. */
  async #obtain(places: readonly number[], view: number): Promise<ExtractedItem[]> {
    const { shelf, lastView } = this.opened;
    if (view > lastView) return [...(await this.source.compute(places, view))];
    const keys = await this.#recordKeys(places, view);
    const found = (await shelf.find(keys)).map((bytes, index): ExtractedItem | undefined => {
      const item = bytes && decodeRecord(bytes);
      if (item !== undefined) shelf.remember(places[index]!, view, bytes!);
      return item;
    });
    const missing = [...found.keys()].filter((index) => found[index] === undefined);
    const pick = <T>(list: readonly T[]): T[] => missing.map((index) => list[index]!);
    const items = missing.length === 0 ? [] : await this.#compute(pick(places), view, pick(keys));
    missing.forEach((index, position) => (found[index] = items[position]!));
    return found as ExtractedItem[];
  }

  /** Computes examples and keeps those that are good. */
  async #compute(places: readonly number[], view: number, keys: readonly (Uint8Array | undefined)[]): Promise<readonly ExtractedItem[]> {
    const started = performance.now();
    const items = await this.source.compute(places, view);
    const milliseconds = (performance.now() - started) / places.length;
    this.#chunk = Math.max(smallestChunk, Math.min(largestChunk, Math.round(chunkMilliseconds / milliseconds)));
    const records = items.flatMap((item, index) =>
      'error' in item ? [] : [{ place: places[index]!, key: keys[index], bytes: encodeRecord(item, this.#withTarget) }],
    );
    await this.opened.shelf.keep(records, view, milliseconds);
    return items;
  }

  /** Keys on disk of a view of some examples. */
  async #recordKeys(places: readonly number[], view: number): Promise<(Uint8Array | undefined)[]> {
    const request = viewRequest(this.options, view);
    const keys = places.map((place) => (this.opened.disk === undefined ? undefined : this.#keys?.get(place)));
    if (request === undefined) return keys;
    const keyOf = async (key: Uint8Array | undefined, index: number): Promise<Uint8Array | undefined> =>
      key && (await viewKey(this.source.model, key, this.source.item(places[index]!).id, request));
    return Promise.all(keys.map(keyOf));
  }

  /** Has another store closed with this one. */
  closeWith(dependent: StoredFeatures): void {
    this.#dependents.push(dependent);
  }

  async close(): Promise<void> {
    for (const dependent of this.#dependents.splice(0)) await dependent.close();
    await this.opened.disk?.close();
  }
}

const rangeOf = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, index) => start + index);
