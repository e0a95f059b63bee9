import { randomBytes } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { KeyedRecord } from '../../runtime.js';
import { encodeEntry } from './index-entry.js';
import type { RecordPlace } from './key-index.js';

interface OpenShard {
  readonly data: FileHandle;
  readonly index: FileHandle;
  readonly number: number;
  size: number;
}

const padded = (length: number): number => Math.ceil(length / 4) * 4;

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written);
    written += bytesWritten;
  }
}

/**
 * Appends records to shards of its own. Two files a shard: data, and an index that is written after it, so that an entry never
 * speaks of data that are not there yet. No other writer touches these files, in this process or another.
 */
export class ShardWriter {
  readonly #writer = randomBytes(6).toString('hex');
  #next = 0;
  #shard: OpenShard | undefined;

  /**
   * @param addShard told of each new data file; gives its number
   */
  constructor(
    private readonly folder: string,
    private readonly shardBytes: number,
    private readonly addShard: (dataPath: string) => number,
  ) {}

  /** @returns where each record lies now. @throws what the system says: nothing of this call is in the index then */
  async append(records: readonly KeyedRecord[]): Promise<RecordPlace[]> {
    if (this.#shard !== undefined && this.#shard.size >= this.shardBytes) await this.close();
    const shard = (this.#shard ??= await this.#openShard());
    const places: RecordPlace[] = [];
    let end = shard.size;
    for (const { bytes } of records) {
      places.push({ shard: shard.number, offset: end, length: bytes.length, crc: crc32(bytes) });
      end = padded(end + bytes.length);
    }
    const block = new Uint8Array(end - shard.size);
    records.forEach(({ bytes }, index) => block.set(bytes, places[index]!.offset - shard.size));
    await writeAll(shard.data, block);
    await writeAll(shard.index, Buffer.concat(records.map(({ key }, index) => encodeEntry(key, places[index]!))));
    shard.size = end;
    return places;
  }

  async #openShard(): Promise<OpenShard> {
    const name = join(this.folder, `${this.#writer}-${this.#next++}`);
    const data = await open(`${name}.data`, 'ax');
    try {
      return { data, index: await open(`${name}.index`, 'ax'), number: this.addShard(`${name}.data`), size: 0 };
    } catch (error) {
      await data.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const shard = this.#shard;
    this.#shard = undefined;
    await Promise.allSettled([shard?.data.close(), shard?.index.close()]);
  }
}
