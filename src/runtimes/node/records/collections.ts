import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '../../../common/json.js';
import { entryBytes } from './index-entry.js';
import { isInUse } from './in-use.js';

/** The file that says what a collection is; when it was touched last is when the collection was used last. */
export const aboutFile = 'meta.json';

/** Collections that are being removed, under names that nobody opens. */
const removedPrefix = '.removed-';

/** A collection of records on disk. */
export interface Collection {
  readonly name: string;
  readonly bytes: number;
  readonly lastUsed: number;
  readonly records: number;
}

/** Collections of one kind. Those that were half removed when a program was killed are removed now. */
export async function listCollections(folder: string): Promise<Collection[]> {
  const names = await readdir(folder).catch(() => []);
  await Promise.all(names.filter((name) => name.startsWith(removedPrefix)).map((name) => discard(join(folder, name))));
  const found = await Promise.all(names.filter((name) => !name.startsWith('.')).map((name) => measure(folder, name)));
  return found.filter((collection) => collection !== undefined);
}

const discard = (path: string): Promise<void> => rm(path, { recursive: true, force: true }).catch(() => undefined);

async function measure(folder: string, name: string): Promise<Collection | undefined> {
  try {
    const files = await readdir(join(folder, name));
    const sizes = await Promise.all(
      files.map(async (file) => ({ file, ...(await stat(join(folder, name, file)).then(({ size, mtimeMs }) => ({ size, mtimeMs }))) })),
    );
    const entries = sizes.filter(({ file }) => file.endsWith('.index')).reduce((sum, { size }) => sum + size, 0);
    const about = sizes.find(({ file }) => file === aboutFile) ?? sizes[0];
    return {
      name,
      bytes: sizes.reduce((sum, { size }) => sum + size, 0),
      lastUsed: about?.mtimeMs ?? 0,
      records: Math.floor(entries / entryBytes),
    };
  } catch {
    return undefined; // removed while it was looked at, or no folder
  }
}

/** What a collection says of itself; empty where it cannot be read. */
export async function readAbout(folder: string): Promise<JsonObject> {
  try {
    const value: unknown = JSON.parse(await readFile(join(folder, aboutFile), 'utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
  } catch {
    return {};
  }
}

/** Notes that a collection is used now. */
export const touch = (folder: string): Promise<void> => utimes(join(folder, aboutFile), new Date(), new Date()).catch(() => undefined);

/**
 * Removes a collection unless a program uses it. It gets another name first, so that nobody finds half of it; who opened it just
 * before goes on with the files it has open.
 */
export async function removeCollection(folder: string, name: string): Promise<boolean> {
  const path = join(folder, name);
  if (await isInUse(path)) return false;
  const hidden = join(folder, removedPrefix + randomUUID());
  const renamed = await rename(path, hidden).then(
    () => true,
    () => false,
  );
  await discard(hidden);
  return renamed;
}

/**
 * Removes collections, those used least lately first, until all together fit.
 * @param keep one that stays whatever happens
 * @returns whether they fit
 */
export async function makeRoom(folder: string, maxBytes: number, keep: string): Promise<boolean> {
  const collections = await listCollections(folder);
  let total = collections.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { name, bytes } of collections.sort((a, b) => a.lastUsed - b.lastUsed)) {
    if (total <= maxBytes) return true;
    if (name !== keep && (await removeCollection(folder, name))) total -= bytes;
  }
  return total <= maxBytes;
}
