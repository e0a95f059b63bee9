import type { ByteFile } from '../../weights/byte-file.js';
import type { FolderEntry } from '../runtime.js';
import { blobFile } from './blob-file.js';

/** What browsers have and the types of the DOM do not yet know. */
interface ListableFolder extends FileSystemDirectoryHandle {
  values(): AsyncIterableIterator<FileSystemHandle>;
}

/** The browser's private file system of this site; undefined where there is none or it may not be used. */
export async function privateRoot(): Promise<FileSystemDirectoryHandle | undefined> {
  const storage = (globalThis as { navigator?: { storage?: Partial<StorageManager> } }).navigator?.storage;
  try {
    return await storage?.getDirectory?.();
  } catch {
    return undefined; // a private window, or a page that is not secure
  }
}

/** The names in a path; a leading slash means nothing. */
export const partsOf = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

const isAbsent = (error: unknown): boolean =>
  error instanceof DOMException && ['NotFoundError', 'TypeMismatchError', 'TypeError'].includes(error.name);

/** Runs a step; what is not there, or not of that kind, is undefined. */
async function unlessAbsent<T>(step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (isAbsent(error) || error instanceof TypeError) return undefined; // a TypeError: ".." and such are no names
    throw error;
  }
}

/** A folder of the private file system. */
export async function findFolder(parts: readonly string[]): Promise<FileSystemDirectoryHandle | undefined> {
  let folder = await privateRoot();
  for (const part of parts) {
    const parent = folder;
    if (parent === undefined) return undefined;
    folder = await unlessAbsent(() => parent.getDirectoryHandle(part));
  }
  return folder;
}

/** A file of the private file system. */
export async function findFile(path: string): Promise<ByteFile | undefined> {
  const parts = partsOf(path);
  const name = parts.pop();
  const folder = name === undefined ? undefined : await findFolder(parts);
  const handle = folder === undefined ? undefined : await unlessAbsent(() => folder.getFileHandle(name!));
  return handle === undefined ? undefined : blobFile(await handle.getFile(), path);
}

/** The entries of a folder, sorted by name. */
export async function entriesOf(folder: FileSystemDirectoryHandle): Promise<FolderEntry[]> {
  const entries: FolderEntry[] = [];
  for await (const { name, kind } of (folder as ListableFolder).values()) entries.push({ name, isFolder: kind === 'directory' });
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}
