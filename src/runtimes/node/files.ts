import { createHash } from 'node:crypto';
import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TransferKitError } from '../../errors.js';
import type { ByteFile } from '../../weights/byte-file.js';
import type { FolderEntry } from '../runtime.js';
import { isAbsent, storageError } from './storage-error.js';

/**
 * A path from a path or a file address. `file:///home/me/x` is an address; `file://x` is a relative path, as tfjs writes it.
 */
export function toPath(location: string): string {
  if (!/^file:/i.test(location)) return location;
  const rest = location.replace(/^file:(\/\/)?/i, '');
  return rest.startsWith('/') || rest.startsWith('localhost/') ? fileURLToPath(location) : rest;
}

/** Joins path parts; the first may be a file address. */
export const joinPath = (first = '', ...rest: string[]): string => join(toPath(first), ...rest);

function badRange(origin: string, size: number, start: number, end: number): TransferKitError {
  return new TransferKitError(
    'corrupt-file',
    `"${origin}" has ${size} bytes, and bytes ${start} to ${end} were asked for.\n  Fix: get the file again.`,
    {
      details: { origin, size, start, end },
    },
  );
}

/** Reads until the buffer is full; a file system may give less at a time. */
async function fill(handle: FileHandle, bytes: Uint8Array, start: number): Promise<number> {
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, start + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** The handle is open only while bytes are read, so nothing is left open whatever the caller does. */
async function readRange(path: string, size: number, start: number, end: number): Promise<Uint8Array> {
  if (!(start >= 0 && start <= end && end <= size)) throw badRange(path, size, start, end);
  const bytes = new Uint8Array(end - start);
  let filled = 0;
  try {
    const handle = await open(path, 'r');
    try {
      filled = await fill(handle, bytes, start);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw storageError('read', path, error);
  }
  if (filled < bytes.length) throw badRange(path, start + filled, start, end);
  return bytes;
}

/**
 * Opens a file by path or file address; undefined where there is no file.
 * @throws TransferKitError `storage` when it may not be looked at.
 */
export async function openFile(location: string): Promise<ByteFile | undefined> {
  const path = toPath(location);
  try {
    const status = await stat(path);
    if (!status.isFile()) return undefined;
    return { size: status.size, origin: path, read: (start, end) => readRange(path, status.size, start, end) };
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw storageError('open', path, error);
  }
}

/** Follows links, so that a link to a folder counts as one; a dangling link counts as a file. */
const leadsToFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );

/**
 * Entries of a folder sorted by name; undefined where there is no folder.
 * @throws TransferKitError `storage` when it may not be read.
 */
export async function listFolder(location: string): Promise<readonly FolderEntry[] | undefined> {
  const path = toPath(location);
  try {
    const entries = await readdir(path, { withFileTypes: true });
    const listed = entries.map(async (entry) => ({
      name: entry.name,
      isFolder: entry.isSymbolicLink() ? await leadsToFolder(join(path, entry.name)) : entry.isDirectory(),
    }));
    return (await Promise.all(listed)).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw storageError('list', path, error);
  }
}

/** SHA-256 as lower-case hex. */
export const sha256 = (bytes: Uint8Array): Promise<string> => Promise.resolve(createHash('sha256').update(bytes).digest('hex'));
