import type { KeyedRecord, Records } from '../runtimes/runtime.js';
import { BlockMemory } from './block-memory.js';

/** From this cost on, features are worth a place on disk though they fit into memory. */
export const worthMilliseconds = 0.5;

/** Not in memory. */
const absent = -1;

/** A record that was just computed. */
export interface NewRecord {
  /** Place of the example. */
  readonly place: number;
  readonly bytes: Uint8Array;
  /** Key on disk; absent where it has none. */
  readonly key?: Uint8Array | undefined;
}

/** What a shelf is made with. */
export interface ShelfOptions {
  /** Number of examples. */
  readonly count: number;
  /** Views each, the plain one included. */
  readonly views: number;
  /** Bytes of memory. */
  readonly budget: number;
  readonly disk: Records | undefined;
  /** Cost of an example, in milliseconds, from which it goes to disk though it fits into memory. */
  readonly worthMilliseconds: number;
}

/** Keeps records of examples in memory up to a budget, and on disk. */
export class FeatureShelf {
  readonly #memory = new BlockMemory();
  /** Address in memory of each view of each example. */
  readonly #addresses: Float64Array[];
  #room: number;

  constructor(private readonly options: ShelfOptions) {
    this.#room = options.budget;
    this.#addresses = Array.from({ length: options.views }, () => new Float64Array(options.count).fill(absent));
  }

  /** Bytes of memory that are left; 0 once something had to be left out. */
  get room(): number {
    return this.#room;
  }

  /** Whether something that is offered can still be kept. */
  get isOpen(): boolean {
    return this.#room > 0 || this.options.disk !== undefined;
  }

  /** What memory holds of one view, as views of it; undefined for the rest. */
  recall(places: readonly number[], view: number): (Uint8Array | undefined)[] {
    const addresses = this.#addresses[view];
    return places.map((place) => {
      const address = addresses?.[place] ?? absent;
      return address === absent ? undefined : this.#memory.get(address);
    });
  }

  /** What the disk holds, by keys. */
  find(keys: readonly (Uint8Array | undefined)[]): Promise<(Uint8Array | undefined)[]> {
    const { disk } = this.options;
    if (disk === undefined) return Promise.resolve(keys.map(() => undefined));
    const known = keys.flatMap((key) => (key === undefined ? [] : [key]));
    return disk.read(known).then((records) => {
      let next = 0;
      return keys.map((key) => (key === undefined ? undefined : records[next++]));
    });
  }

  /** Keeps a record in memory where there is room. @returns whether there was */
  remember(place: number, view: number, bytes: Uint8Array): boolean {
    if (bytes.length > this.#room) {
      this.#room = 0;
      return false;
    }
    this.#room -= bytes.length;
    this.#addresses[view]![place] = this.#memory.put(bytes);
    return true;
  }

  /**
   * Keeps records that were computed: in memory while there is room, and on disk where that pays.
   * @param milliseconds what one of them cost
   */
  async keep(records: readonly NewRecord[], view: number, milliseconds: number): Promise<void> {
    const forDisk = records.filter(
      ({ place, bytes }) => !this.remember(place, view, bytes) || milliseconds >= this.options.worthMilliseconds,
    );
    await this.options.disk?.append(forDisk.filter((record): record is NewRecord & KeyedRecord => record.key !== undefined));
  }
}
