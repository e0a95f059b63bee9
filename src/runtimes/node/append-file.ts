import { mkdir, open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { toPath } from './files.js';
import { storageError } from './storage-error.js';

/**
 * Adds bytes to the end of a file in one write; the file and its folder are made where there are none. With `at`, what lies
 * beyond that position is cut off first.
 * @throws TransferKitError `storage`
 */
export async function appendFile(location: string, bytes: Uint8Array, at?: number): Promise<void> {
  const path = resolve(toPath(location));
  try {
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(path, 'a');
    try {
      if (at !== undefined && at < (await handle.stat()).size) await handle.truncate(at);
      if (bytes.length > 0) await handle.appendFile(bytes);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storageError('write', path, error);
  }
}
