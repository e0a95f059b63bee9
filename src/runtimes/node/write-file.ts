import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { toPath } from './files.js';
import { storageError } from './storage-error.js';
import { writeDurably } from './write-durably.js';

/**
 * Writes a whole file or nothing: beside it under another name, then renamed over it. What is left of a killed process is called
 * `.<name>.new-<letters>`.
 * @throws TransferKitError `storage`
 */
export async function writeFile(location: string, bytes: Uint8Array): Promise<void> {
  const target = resolve(toPath(location));
  const temporary = join(dirname(target), `.${basename(target)}.new-${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(dirname(target), { recursive: true });
    await writeDurably(temporary, bytes);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw storageError('write', target, error);
  }
}

/**
 * Removes a file, or a folder with all that is in it; does nothing where there is none.
 * @throws TransferKitError `storage`
 */
export async function remove(location: string): Promise<void> {
  const target = resolve(toPath(location));
  try {
    await rm(target, { recursive: true, force: true, maxRetries: 3 });
  } catch (error) {
    throw storageError('remove', target, error);
  }
}
