import { open, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { RecordPlace } from './key-index.js';

/** Bytes between two records that are read along with them rather than in two reads. */
const smallGap = 16 * 2 ** 10;
/** Bytes read at once. */
const largestRead = 8 * 2 ** 20;

interface Wanted extends RecordPlace {
  /** Position in the answer. */
  readonly position: number;
}

/** A stretch of one data file that is read in one go. */
interface Stretch {
  readonly shard: number;
  readonly start: number;
  end: number;
  readonly records: Wanted[];
}

/** Neighbours are read together. */
function stretchesOf(wanted: readonly Wanted[]): Stretch[] {
  const stretches: Stretch[] = [];
  for (const record of [...wanted].sort((a, b) => a.shard - b.shard || a.offset - b.offset)) {
    const end = record.offset + record.length;
    const last = stretches.at(-1);
    const joins = last?.shard === record.shard && record.offset - last.end <= smallGap && end - last.start <= largestRead;
    if (last !== undefined && joins) {
      last.records.push(record);
      last.end = Math.max(last.end, end);
    } else stretches.push({ shard: record.shard, start: record.offset, end, records: [record] });
  }
  return stretches;
}

/** Reads records from data files; their handles stay open. */
export class ShardReader {
  readonly #paths: string[] = [];
  readonly #handles = new Map<number, Promise<FileHandle>>();

  /** @returns the number that places speak of */
  addShard(dataPath: string): number {
    return this.#paths.push(dataPath) - 1;
  }

  /** @returns per place the record; undefined where it cannot be read, or is not what was written */
  async read(places: readonly (RecordPlace | undefined)[]): Promise<(Uint8Array | undefined)[]> {
    const found: (Uint8Array | undefined)[] = places.map(() => undefined);
    const wanted = places.flatMap((place, position) => (place === undefined ? [] : [{ ...place, position }]));
    await Promise.all(stretchesOf(wanted).map((stretch) => this.#readStretch(stretch, found)));
    return found;
  }

  async #readStretch({ shard, start, end, records }: Stretch, found: (Uint8Array | undefined)[]): Promise<void> {
    // A buffer of its own: a view of Node's shared pool would keep all of the pool, and begin anywhere.
    const bytes = new Uint8Array(end - start);
    try {
      const { bytesRead } = await (await this.#handle(shard)).read(bytes, 0, bytes.length, start);
      for (const { offset, length, crc, position } of records) {
        if (offset - start + length > bytesRead) continue;
        const record = bytes.subarray(offset - start, offset - start + length);
        if (crc32(record) === crc) found[position] = record;
      }
    } catch {
      // A file that is gone or cannot be read: its records count as absent and are computed again.
    }
  }

  #handle(shard: number): Promise<FileHandle> {
    let handle = this.#handles.get(shard);
    if (handle === undefined) this.#handles.set(shard, (handle = open(this.#paths[shard]!, 'r')));
    return handle;
  }

  async close(): Promise<void> {
    const handles = [...this.#handles.values()];
    this.#handles.clear();
    await Promise.allSettled(handles.map(async (handle) => (await handle).close()));
  }
}
