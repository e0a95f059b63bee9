import { runtime as hereRuntime } from '#runtime';
import { TransferKitError } from './errors.js';
import type { CacheEntry, CacheFolder, Runtime } from './runtimes/runtime.js';

/** Which cache. */
export interface CacheOptions {
  /** Its folder. Default: that of `TRANSFERKIT_CACHE`, or the system's place for caches. */
  readonly directory?: string;
  /** Default: the place this code runs in. */
  readonly runtime?: Runtime;
}

/** What to remove. Without any of these: everything. */
export interface ClearOptions extends CacheOptions {
  readonly kind?: CacheEntry['kind'];
  /** The name of an entry, or its beginning where that tells which. */
  readonly name?: string;
  /** Only what was not used for so many milliseconds. */
  readonly olderThan?: number;
}

/** What is in the cache. */
export interface CacheListing {
  /** The folder. */
  readonly path: string;
  /** What was used last comes first. */
  readonly entries: readonly CacheEntry[];
}

/** What was removed, and what was left because a program uses it. */
export interface CacheCleared {
  readonly path: string;
  readonly removed: readonly CacheEntry[];
  readonly inUse: readonly CacheEntry[];
}

function folderOf({ directory, runtime = hereRuntime }: CacheOptions): CacheFolder {
  const folder = runtime.cacheFolder?.(directory);
  if (folder !== undefined) return folder;
  throw new TransferKitError(
    'unsupported',
    `the cache of the runtime "${runtime.name}" cannot be looked into.\n  Fix: a browser clears it with the site's data.`,
  );
}

/**
 * Lists what the cache holds: features of frozen networks, and downloads.
 *
 * @throws TransferKitError `unsupported` in a browser
 * @example
 * ```ts
 * import { listCache } from 'transferkit';
 *
 * const { path, entries } = await listCache();
 * console.log(path, entries.reduce((sum, { bytes }) => sum + bytes, 0));
 * ```
 */
export async function listCache(options: CacheOptions = {}): Promise<CacheListing> {
  const folder = folderOf(options);
  const entries = await folder.list();
  return { path: folder.path, entries: entries.sort((a, b) => b.lastUsed - a.lastUsed) };
}

/** Whether an entry has a name, or the only one that begins so. */
function byName(entries: readonly CacheEntry[], name: string): readonly CacheEntry[] {
  const exact = entries.filter((entry) => entry.name === name);
  const found = exact.length > 0 ? exact : entries.filter((entry) => entry.name.startsWith(name));
  if (found.length === 1) return found;
  const what =
    found.length === 0 ? 'nothing in the cache has a name that begins' : `${found.length} entries of the cache have names that begin`;
  throw new TransferKitError(
    'not-found',
    `${what} with "${name}".\n  Expected: the name of one entry, or enough of its beginning.\n  Fix: see the names with transferkit cache.`,
    { details: { name, found: found.map((entry) => entry.name) } },
  );
}

/**
 * Removes entries of the cache. What a program uses at the moment stays.
 *
 * @throws TransferKitError `not-found` for a name that no entry has, or several; `storage`; `unsupported` in a browser
 * @example
 * ```ts
 * import { clearCache } from 'transferkit';
 *
 * const month = 30 * 24 * 60 * 60 * 1000;
 * const { removed } = await clearCache({ kind: 'features', olderThan: month });
 * console.log(removed.length);
 * ```
 */
export async function clearCache(options: ClearOptions = {}): Promise<CacheCleared> {
  const folder = folderOf(options);
  const [removed, inUse]: [CacheEntry[], CacheEntry[]] = [[], []];
  for (const entry of chooseEntries(await folder.list(), options)) ((await folder.remove(entry)) ? removed : inUse).push(entry);
  return { path: folder.path, removed, inUse };
}

/** The entries that `clearCache` would remove. */
export function chooseEntries(entries: readonly CacheEntry[], { kind, name, olderThan = -Infinity }: ClearOptions): readonly CacheEntry[] {
  const ofKind = entries.filter((entry) => kind === undefined || entry.kind === kind);
  const named = name === undefined ? ofKind : byName(ofKind, name);
  return named.filter((entry) => Date.now() - entry.lastUsed >= olderThan);
}
