import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize, resolve, sep } from 'node:path';
import { TransferKitError } from '../../errors.js';
import { toPath } from './files.js';
import { isAbsent, storageError } from './storage-error.js';
import { writeDurably } from './write-durably.js';

/** A file name inside the folder must stay inside it, whoever chose it. */
function checkName(name: string): void {
  const path = normalize(name);
  if (name !== '' && !isAbsolute(path) && path !== '..' && !path.startsWith(`..${sep}`) && !name.includes('\0')) return;
  throw new TransferKitError('bad-option', `"${name}" would be written outside its folder.\n  Expected: a relative path without "..".`, {
    details: { name },
  });
}

async function fillFolder(folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [name, bytes] of files) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeDurably(path, bytes);
  }
}

const discard = (path: string): Promise<void> => rm(path, { recursive: true, force: true }).catch(() => undefined);

/** Puts a finished folder in place of an old one. If the last rename fails, the old one comes back. */
async function replaceFolder(finished: string, target: string): Promise<void> {
  const old = join(dirname(target), `.${basename(target)}.old-${randomBytes(6).toString('hex')}`);
  const hadOld = await rename(target, old).then(
    () => true,
    (error: unknown) => {
      if (isAbsent(error)) return false;
      throw error;
    },
  );
  try {
    await rename(finished, target);
  } catch (error) {
    if (hadOld) await rename(old, target);
    throw error;
  }
  if (hadOld) await discard(old);
}

/**
 * Writes a whole folder or nothing: into a temporary one beside it, then renamed. A folder that is there already is replaced
 * as a whole; between two renames there is a moment with neither, which no portable call can avoid.
 *
 * @throws TransferKitError `storage` when the disk is full, read-only or refuses; `bad-option` for a file name that leaves the folder.
 */
export async function writeFolder(location: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const name of files.keys()) checkName(name);
  const target = resolve(toPath(location));
  let temporary: string | undefined;
  try {
    await mkdir(dirname(target), { recursive: true });
    temporary = await mkdtemp(join(dirname(target), `.${basename(target)}.new-`));
    await fillFolder(temporary, files);
    await replaceFolder(temporary, target);
  } catch (error) {
    if (temporary !== undefined) await discard(temporary);
    throw storageError('write', target, error);
  }
}
