import type { LockAttempt } from '../runtime.js';
import { toPath } from './files.js';
import { findFolder, partsOf, privateRoot } from './private-files.js';
import { makeFolder, remove as removeEntry, storageError, unsupported, writeInto } from './write-folder.js';

/**
 * Writes a whole file or nothing into the browser's private file system: what is written shows only once it is complete.
 * @throws TransferKitError `unsupported` where there is no such file system, `storage` when it refuses
 */
export async function writeFile(location: string, bytes: Uint8Array): Promise<void> {
  const parts = partsOf(toPath(location));
  const name = parts.pop();
  const root = await privateRoot();
  if (root === undefined || name === undefined) throw unsupported(location);
  try {
    await writeInto(await makeFolder(root, parts), name, bytes);
  } catch (error) {
    throw storageError(location, error);
  }
}

/**
 * Removes a file, or a folder with all in it; does nothing where there is none.
 * @throws TransferKitError `storage`
 */
export async function remove(location: string): Promise<void> {
  const parts = partsOf(toPath(location));
  const name = parts.pop();
  const parent = name === undefined ? undefined : await findFolder(parts);
  try {
    if (parent !== undefined) await removeEntry(parent, name!);
  } catch (error) {
    throw storageError(location, error);
  }
}

/** Takes a lock that all tabs and workers of this site respect; does not wait. It ends with its tab. */
export function tryLock(location: string): Promise<LockAttempt> {
  const locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
  const name = `transferkit ${partsOf(toPath(location)).join('/')}`;
  if (locks === undefined) throw unsupported(location);
  return new Promise((resolve, reject) => {
    const hold = (lock: Lock | null): Promise<void> | undefined => {
      if (lock !== null) return new Promise((letGo) => resolve({ taken: true, release: () => Promise.resolve(letGo()) }));
      resolve({ taken: false, holder: 'another tab or worker of this site' });
      return undefined;
    };
    locks.request(name, { ifAvailable: true }, hold).catch(reject);
  });
}
