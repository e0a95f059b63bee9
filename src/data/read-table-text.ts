import { TransferKitError } from '../errors.js';
import type { Runtime } from '../runtimes/runtime.js';

/** A table: a path or file URL, text with line breaks, or bytes. */
export type TableSource = string | URL | Uint8Array | Blob;

/** The whole text of a table, and a name for it. */
export interface TableText {
  readonly text: string;
  readonly origin: string;
}

function tooLarge(origin: string, size: number, maxBytes: number): TransferKitError {
  return new TransferKitError(
    'too-large',
    `${origin} has ${size} bytes, more than the cap of ${maxBytes}.\n  Fix: raise it with table(..., { maxBytes: ${size} }), or split the file.`,
    { details: { origin, size, maxBytes } },
  );
}

/** UTF-8, or UTF-16 where its mark says so (as spreadsheets write "Unicode text"). The mark itself is dropped. */
function decode(bytes: Uint8Array, origin: string): string {
  const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch {
    // told below, as for text that holds zero bytes
  }
  throw new TransferKitError('corrupt-file', `${origin} is not a text file in UTF-8.\n  Fix: save it as CSV with UTF-8 encoding.`, {
    details: { origin },
  });
}

async function fileBytes(path: string, runtime: Runtime, maxBytes: number): Promise<Uint8Array> {
  const file = await runtime.openFile(path);
  if (file === undefined) {
    throw new TransferKitError(
      'not-found',
      `there is no file "${path}".\n  Fix: check the path; relative paths start at the current folder.`,
      {
        details: { path },
      },
    );
  }
  if (file.size > maxBytes) throw tooLarge(path, file.size, maxBytes);
  return file.read(0, file.size);
}

const webAddress = (path: string): TransferKitError =>
  new TransferKitError(
    'bad-option',
    `table() reads files, not web addresses.\n  Received: ${path}\n  Fix: fetch it and pass the text or the Blob.`,
  );

/**
 * Reads a table as text. A string with a line break is the text itself; every other string is a path.
 * @throws TransferKitError `not-found`, `too-large`, `corrupt-file`, `bad-option`
 */
export async function readTableText(source: TableSource, runtime: Runtime, maxBytes: number): Promise<TableText> {
  if (typeof source === 'string' && /[\r\n]/.test(source)) return { text: source.replace(/^\ufeff/, ''), origin: 'table in memory' };
  if (source instanceof Uint8Array) return { text: decode(source, 'table in memory'), origin: 'table in memory' };
  if (source instanceof Blob) {
    const origin = 'name' in source ? String(source.name) : 'table in memory';
    if (source.size > maxBytes) throw tooLarge(origin, source.size, maxBytes);
    return { text: decode(new Uint8Array(await source.arrayBuffer()), origin), origin };
  }
  const path = String(source);
  if (/^https?:/i.test(path)) throw webAddress(path);
  return { text: decode(await fileBytes(path, runtime, maxBytes), path), origin: path };
}
