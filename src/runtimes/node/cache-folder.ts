import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CacheEntry, CacheFolder } from '../runtime.js';
import { defaultCacheDir } from './download.js';
import { isLockHeld } from './download/file-lock.js';
import { toPath } from './files.js';
import { isInUse } from './records/in-use.js';
import { listCollections, readAbout, removeCollection } from './records/collections.js';
import { storageError } from './storage-error.js';

/** The folder of collections of features; everything else in the cache are downloads. */
const features = 'features';

interface FileFacts {
  readonly bytes: number;
  readonly modified: number;
  /** A program is downloading here. */
  readonly isLocked: boolean;
}

async function listFeatures(folder: string): Promise<CacheEntry[]> {
  const collections = await listCollections(join(folder, features));
  return Promise.all(
    collections.map(async (collection) => {
      const path = join(folder, features, collection.name);
      return { kind: 'features' as const, ...collection, inUse: await isInUse(path), about: await readAbout(path) };
    }),
  );
}

/** All files below a folder. */
async function filesBelow(folder: string): Promise<FileFacts[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  const found = await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name);
        const status = await stat(path).catch(() => undefined);
        const isLocked = path.endsWith('.tk-lock') && (await isLockHeld(path));
        return status && { bytes: status.size, modified: status.mtimeMs, isLocked };
      }),
  );
  return found.filter((file) => file !== undefined);
}

const subfolders = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { withFileTypes: true }).catch(() => [])).filter((entry) => entry.isDirectory()).map((entry) => entry.name);

/** Downloads lie under kind and host: `hub/huggingface.co/owner--name`. One entry each. */
async function listDownloads(folder: string): Promise<CacheEntry[]> {
  const names: string[] = [];
  for (const kind of (await subfolders(folder)).filter((name) => name !== features))
    for (const host of await subfolders(join(folder, kind)))
      for (const name of await subfolders(join(folder, kind, host))) names.push(`${kind}/${host}/${name}`);
  return Promise.all(names.map((name) => describeDownload(folder, name)));
}

async function describeDownload(folder: string, name: string): Promise<CacheEntry> {
  const files = await filesBelow(join(folder, ...name.split('/')));
  return {
    kind: 'download',
    name,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    lastUsed: Math.max(0, ...files.map(({ modified }) => modified)),
    inUse: files.some(({ isLocked }) => isLocked),
    about: {},
  };
}

async function removeDownload(folder: string, name: string): Promise<boolean> {
  const path = join(folder, ...name.split('/'));
  try {
    await rm(path, { recursive: true });
    return true;
  } catch (error) {
    if (await stat(path).catch(() => undefined)) throw storageError('remove', path, error);
    return false;
  }
}

/** The cache in a folder: features and downloads. */
export function cacheFolder(location?: string): CacheFolder {
  const path = location === undefined ? defaultCacheDir() : toPath(location);
  return {
    path,
    list: async () => [...(await listFeatures(path)), ...(await listDownloads(path))],
    remove: ({ kind, name, inUse }) => {
      if (kind === 'features') return removeCollection(join(path, features), name);
      return inUse ? Promise.resolve(false) : removeDownload(path, name);
    },
  };
}
