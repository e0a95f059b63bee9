import { TransferKitError } from '../../errors.js';
import type { ByteFile } from '../../weights/byte-file.js';
import type { FolderEntry } from '../runtime.js';
import { fetchedFile } from './fetched-file.js';
import { entriesOf, findFile, findFolder, partsOf } from './private-files.js';

const isAddress = (location: string): boolean => /^(https?|blob|data):/i.test(location);

/** A path from a path or from `file://x`, the way that tfjs writes it. */
export const toPath = (location: string): string => location.replace(/^file:(\/\/)?/i, '');

/** Removes `.` and `..` as far as they can be. */
function normalize(path: string): string {
  const kept: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..' && kept.length > 0 && kept.at(-1) !== '..') kept.pop();
    else if (part !== '..' || !path.startsWith('/')) kept.push(part);
  }
  return (path.startsWith('/') ? '/' : '') + kept.join('/') || '.';
}

/** Joins path parts with slashes; the first may be a web address, of which host and query stay as they are. */
export function joinPath(first = '', ...rest: string[]): string {
  if (!/^https?:/i.test(first)) return isAddress(first) ? first : normalize([toPath(first), ...rest].filter(Boolean).join('/'));
  if (rest.length === 0) return first;
  const url = new URL(first);
  url.pathname = normalize([url.pathname, ...rest].join('/'));
  return url.href;
}

/** What a path means on the server of this page; undefined where there is no page with an address. */
function pageAddress(path: string): string | undefined {
  const base = (globalThis as { location?: { href?: string } }).location?.href ?? '';
  return /^https?:/.test(base) && URL.canParse(path, base) ? new URL(path, base).href : undefined;
}

/**
 * Opens an http(s), blob or data address; or, by path, a file that was written here before, or one that the page's server has.
 * @throws TransferKitError `network` (retryable), `unauthorized`
 */
export async function openFile(location: string): Promise<ByteFile | undefined> {
  if (isAddress(location)) return fetchedFile(location);
  const path = toPath(location);
  const own = await findFile(path);
  const address = own === undefined ? pageAddress(path) : undefined;
  return address === undefined ? own : fetchedFile(address);
}

/** Entries of a folder that was written here before, sorted by name; web addresses have none. */
export async function listFolder(location: string): Promise<readonly FolderEntry[] | undefined> {
  const folder = isAddress(location) ? undefined : await findFolder(partsOf(toPath(location)));
  return folder === undefined ? undefined : entriesOf(folder);
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** SHA-256 as lower-case hex. @throws TransferKitError `unsupported` on a page that is not secure. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const subtle = (globalThis.crypto as Partial<Crypto> | undefined)?.subtle;
  if (subtle !== undefined) return hex(new Uint8Array(await subtle.digest('SHA-256', bytes as BufferSource)));
  const message = 'browsers compute SHA-256 on secure pages only.\n  Fix: serve the page over https, or from localhost.';
  throw new TransferKitError('unsupported', message);
}
