import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TransferKitError } from '../../errors.js';
import type { KeyedRecord, Records, RecordsRequest } from '../runtime.js';
import { defaultCacheDir } from './download.js';
import { aboutFile, makeRoom, touch } from './records/collections.js';
import { readEntries } from './records/index-entry.js';
import { markInUse } from './records/in-use.js';
import { KeyIndex } from './records/key-index.js';
import { ShardReader } from './records/shard-reader.js';
import { ShardWriter } from './records/shard-writer.js';
import { storageError } from './storage-error.js';
import { writeFile } from './write-file.js';

/** Size from which a new pair of files is begun. */
const shardBytes = 256 * 2 ** 20;
/** Bytes written between two looks at the size of all collections. */
const bytesBetweenLooks = 64 * 2 ** 20;

class FolderRecords implements Records {
  readonly #index = new KeyIndex();
  readonly #reader = new ShardReader();
  readonly #writer: ShardWriter;
  readonly #folder: string;
  #release: (() => Promise<void>) | undefined;
  /** Null until the folder is ours to write; then bytes that may be written before the next look at the total. */
  #untilLook: number | null = null;
  #stopped = false;

  constructor(
    private readonly parent: string,
    private readonly request: RecordsRequest,
  ) {
    this.#folder = join(parent, request.place[1]);
    this.#writer = new ShardWriter(this.#folder, shardBytes, (path) => this.#reader.addShard(path));
  }

  /** Finds what earlier runs kept. Makes nothing where there is nothing. */
  async load(): Promise<this> {
    const names = await readdir(this.#folder).catch(() => undefined);
    if (names === undefined) return this;
    this.#release = await markInUse(this.#folder);
    await touch(this.#folder);
    for (const name of await this.#byAge(names.filter((each) => each.endsWith('.index')))) await this.#loadShard(name);
    return this;
  }

  /** The oldest first: a record that was written again because it was spoilt replaces the spoilt one. */
  async #byAge(names: readonly string[]): Promise<string[]> {
    const ageOf = (name: string): Promise<number> =>
      stat(join(this.#folder, name)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      );
    const aged = await Promise.all(names.map(async (name) => ({ name, modified: await ageOf(name) })));
    return aged.sort((a, b) => a.modified - b.modified).map(({ name }) => name);
  }

  async #loadShard(name: string): Promise<void> {
    const dataPath = join(this.#folder, name.replace(/index$/, 'data'));
    try {
      const entries = await readFile(join(this.#folder, name));
      const { size } = await stat(dataPath);
      readEntries(entries, this.#reader.addShard(dataPath), size, this.#index);
    } catch {
      // One of the two files is gone or cannot be read: what was in it is computed again.
    }
  }

  read(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#reader.read(keys.map((key) => this.#index.get(key)));
  }

  async append(records: readonly KeyedRecord[]): Promise<void> {
    if (this.#stopped || records.length === 0) return;
    try {
      await this.#prepare(records.reduce((sum, { bytes }) => sum + bytes.length, 0));
      const places = await this.#writer.append(records);
      records.forEach(({ key }, index) => this.#index.set(key, places[index]!));
    } catch (error) {
      await this.#stop(error);
    }
  }

  /** Makes the folder at the first time, and looks from time to time whether all collections together are small enough. */
  async #prepare(bytes: number): Promise<void> {
    if (this.#untilLook === null) await this.#begin();
    this.#untilLook! -= bytes;
    if (this.#untilLook! >= 0) return;
    this.#untilLook = Math.min(bytesBetweenLooks, this.request.maxBytes / 8);
    if (await makeRoom(this.parent, this.request.maxBytes - bytes, this.request.place[1])) return;
    throw new TransferKitError(
      'storage',
      `the ${this.request.place[0]} in "${this.parent}" have reached their cap of ${this.request.maxBytes} bytes`,
    );
  }

  async #begin(): Promise<void> {
    const path = join(this.#folder, aboutFile);
    const isThere = await stat(path).then(
      () => true,
      () => false,
    );
    const about = { ...this.request.about, created: new Date().toISOString() };
    if (!isThere) await writeFile(path, new TextEncoder().encode(`${JSON.stringify(about, null, 2)}\n`));
    this.#release ??= await markInUse(this.#folder);
    this.#untilLook = 0;
  }

  /** Nothing more is written; what was written stays to be read. */
  async #stop(error: unknown): Promise<void> {
    this.#stopped = true;
    await this.#writer.close();
    const reason = TransferKitError.isInstance(error) ? error : storageError('write', this.#folder, error);
    const why = reason.message
      .slice(reason.code.length + 2)
      .split('\n')[0]!
      .replace(/\.$/, '');
    this.request.onWarning?.(`${this.request.place[0]} are no longer kept on disk: ${why}; the run goes on in memory`);
  }

  async close(): Promise<void> {
    this.#stopped = true;
    await this.#writer.close();
    await this.#reader.close();
    await this.#release?.();
    this.#release = undefined;
  }
}

/**
 * Opens a collection of records: a folder of shards that only grow. Several programs may read and append at once, each to files of
 * its own. What another program appends after the opening is not seen.
 */
export function openRecords(request: RecordsRequest): Promise<Records> {
  const parent = join(request.directory ?? defaultCacheDir(), request.place[0]);
  return new FolderRecords(parent, request).load();
}
