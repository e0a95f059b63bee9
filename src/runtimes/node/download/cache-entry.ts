import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { TransferKitError } from '../../../errors.js';
import type { DownloadRequest } from '../../runtime.js';
import { isAbsent, storageError, systemCode } from '../storage-error.js';

/** The files of one cache entry. */
export interface EntryPaths {
  readonly file: string;
  /** What is known of `file`; written just before it. */
  readonly record: string;
  /** Bytes of an unfinished download, and what they are the beginning of. */
  readonly part: string;
  readonly partRecord: string;
  readonly lock: string;
}

/** What is known of a complete file. */
export interface EntryRecord {
  readonly url: string;
  readonly size: number;
  readonly sha256: string;
  readonly etag?: string | undefined;
}

const suffixes = { record: '.tk-record', part: '.tk-part', partRecord: '.tk-part-record', lock: '.tk-lock' } as const;

/**
 * Where an entry lies.
 * @throws TransferKitError `bad-option` for a key that could leave the cache folder or be taken for a file of the cache's own.
 */
export function entryPaths(cacheDir: string, key: string): EntryPaths {
  const parts = key.split('/');
  const isSafe = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:*?"<>|\0]|\.tk-[\w-]+$/.test(part));
  if (!isSafe) {
    throw new TransferKitError(
      'bad-option',
      `"${key}" cannot be a place in the cache.\n  expected: file names joined by "/", without "..", and not ending in .tk-*`,
      {
        details: { key },
      },
    );
  }
  const file = resolve(join(cacheDir, ...parts));
  const { record, part, partRecord, lock } = suffixes;
  return { file, record: file + record, part: file + part, partRecord: file + partRecord, lock: file + lock };
}

/** Runs a step that touches the disk; a system error becomes `storage`. */
export async function onDisk<Result>(action: string, path: string, step: () => Promise<Result>): Promise<Result> {
  try {
    return await step();
  } catch (error) {
    const told = storageError(action, path, error);
    const fix = '\n  The cache folder is the option "cacheDir", or TRANSFERKIT_CACHE.';
    throw new TransferKitError('storage', told.message.slice('storage: '.length) + fix, { details: told.details, cause: error });
  }
}

/** A small JSON file of the cache's own; undefined where it is absent or broken. */
export async function readRecord(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Makes a folder and those above it. Not by Node's `recursive` option, which hides that a disk is read-only and succeeds.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await makeFolder(path);
  }
}

/** Writes a small JSON file in one step. */
export const writeRecord = (path: string, value: object): Promise<void> =>
  onDisk('write', path, async () => {
    await makeFolder(dirname(path));
    const temporary = `${path}.${process.pid}`;
    await writeFile(temporary, JSON.stringify(value));
    await rename(temporary, path);
  });

/** Size of a file, 0 where there is none. */
export const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/** SHA-256 of a file as lower-case hex, read in pieces. */
export const hashFile = (path: string): Promise<string> =>
  onDisk('read', path, async () => {
    const hash = createHash('sha256');
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece as Uint8Array);
    return hash.digest('hex');
  });

/** Files whose content this process has compared with their record, by path; the value changes when the file does. */
const verified = new Map<string, string>();

/** Remembers that a file has just been compared, so that it is not read again for that. */
async function markVerified(path: string): Promise<void> {
  const { size, mtimeMs } = await stat(path);
  verified.set(path, `${size} ${mtimeMs}`);
}

async function contentHolds(path: string, sha256: string): Promise<boolean> {
  const { size, mtimeMs } = await stat(path);
  if (verified.get(path) === `${size} ${mtimeMs}`) return true;
  if ((await hashFile(path)) !== sha256) return false;
  await markVerified(path);
  return true;
}

/** An entry as found: complete and unchanged, there but spoilt, or absent. */
export type FoundEntry = { readonly state: 'good'; readonly record: EntryRecord } | { readonly state: 'spoilt' | 'absent' };

/** Looks an entry up. Its size is compared each time, its content once per process. Writes nothing. */
export async function findEntry(paths: EntryPaths, request: DownloadRequest): Promise<FoundEntry> {
  const record = (await readRecord(paths.record)) as EntryRecord | undefined;
  const status = await stat(paths.file).catch((error: unknown) => {
    if (isAbsent(error)) return undefined;
    throw storageError('look at', paths.file, error);
  });
  if (record === undefined || status === undefined) return { state: 'absent' };
  const fits =
    status.size === record.size &&
    (request.size ?? record.size) === record.size &&
    (request.sha256 ?? record.sha256) === record.sha256 &&
    (await contentHolds(paths.file, record.sha256));
  return fits ? { state: 'good', record } : { state: 'spoilt' };
}

/** Makes a finished part the entry: the record first, so that a file without its record is never taken for complete. */
export async function commitPart(paths: EntryPaths, record: EntryRecord): Promise<void> {
  await writeRecord(paths.record, record);
  await onDisk('write', paths.file, () => rename(paths.part, paths.file));
  await rm(paths.partRecord, { force: true });
  await markVerified(paths.file);
}

/** Forgets an unfinished download. */
export async function discardPart(paths: EntryPaths): Promise<void> {
  await rm(paths.part, { force: true });
  await rm(paths.partRecord, { force: true });
}
