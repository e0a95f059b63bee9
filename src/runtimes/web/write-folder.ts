import { TransferKitError } from '../../errors.js';
import { toPath } from './files.js';
import { entriesOf, partsOf, privateRoot } from './private-files.js';

const storageReasons: Readonly<Record<string, string>> = {
  QuotaExceededError: "the browser's quota for this site is used up",
  NoModificationAllowedError: 'another tab is writing there',
  NotAllowedError: 'the browser does not allow it',
};

export function storageError(path: string, error: unknown): TransferKitError {
  if (TransferKitError.isInstance(error)) return error;
  const name = error instanceof Error ? error.name : '';
  const reason = storageReasons[name] ?? (error instanceof Error ? error.message : String(error));
  return new TransferKitError('storage', `cannot write "${path}": ${reason}.\n  Fix: free space, or close other tabs of this site.`, {
    details: { path, name },
    cause: error,
  });
}

export const unsupported = (path: string): TransferKitError =>
  new TransferKitError(
    'unsupported',
    `"${path}" cannot be written: this browser gives the page no private file system.\n  Fix: serve the page over https or from localhost, outside a private window, in a browser that has it.`,
    { details: { path } },
  );

function checkName(name: string): void {
  const parts = name.split('/');
  if (parts.every((part) => !['', '.', '..'].includes(part))) return;
  throw new TransferKitError('bad-option', `"${name}" would be written outside its folder.\n  Expected: a relative path without "..".`, {
    details: { name },
  });
}

/** A folder below another one, made where it is not there. */
export async function makeFolder(root: FileSystemDirectoryHandle, parts: readonly string[]): Promise<FileSystemDirectoryHandle> {
  let folder = root;
  for (const part of parts) folder = await folder.getDirectoryHandle(part, { create: true });
  return folder;
}

/** Writes a file, and the folders in its name; it shows only once it is complete. */
export async function writeInto(folder: FileSystemDirectoryHandle, name: string, bytes: Uint8Array | Blob): Promise<void> {
  const parts = name.split('/');
  const handle = await (await makeFolder(folder, parts.slice(0, -1))).getFileHandle(parts.at(-1)!, { create: true });
  if (!('createWritable' in handle)) throw unsupported(name);
  const stream = await handle.createWritable();
  try {
    await stream.write(bytes as FileSystemWriteChunkType);
  } catch (error) {
    await stream.abort().catch(() => undefined);
    throw error;
  }
  await stream.close();
}

/** Copies what one folder holds into another. */
async function copyFolder(from: FileSystemDirectoryHandle, to: FileSystemDirectoryHandle): Promise<void> {
  for (const { name, isFolder } of await entriesOf(from)) {
    if (isFolder) await copyFolder(await from.getDirectoryHandle(name), await to.getDirectoryHandle(name, { create: true }));
    else await writeInto(to, name, await (await from.getFileHandle(name)).getFile());
  }
}

export const remove = (parent: FileSystemDirectoryHandle, name: string): Promise<void> =>
  parent.removeEntry(name, { recursive: true }).catch((error: unknown) => {
    if (!(error instanceof DOMException && error.name === 'NotFoundError')) throw error;
  });

/**
 * Writes a folder into the browser's private file system. Everything is written into a temporary folder first, so that a full
 * disk leaves an old folder as it was; folders cannot be renamed there, so putting the new one in its place is a copy.
 *
 * @throws TransferKitError `unsupported` where there is no such file system, `storage` when it refuses, `bad-option` for a file
 *   name that leaves the folder.
 */
export async function writeFolder(location: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const name of files.keys()) checkName(name);
  const parts = partsOf(toPath(location));
  const target = parts.pop();
  const root = await privateRoot();
  if (root === undefined || target === undefined || /^[a-z]+:/i.test(toPath(location))) throw unsupported(location);
  const temporary = `.${target}.new-${crypto.randomUUID()}`;
  let parent: FileSystemDirectoryHandle | undefined;
  try {
    parent = await makeFolder(root, parts);
    const finished = await makeFolder(parent, [temporary]);
    for (const [name, bytes] of files) await writeInto(finished, name, bytes);
    await remove(parent, target);
    await copyFolder(finished, await makeFolder(parent, [target]));
  } catch (error) {
    throw storageError(location, error);
  } finally {
    await parent?.removeEntry(temporary, { recursive: true }).catch(() => undefined);
  }
}
