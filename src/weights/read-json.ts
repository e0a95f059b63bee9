import { TransferKitError, type TransferKitErrorCode } from '../errors.js';
import type { JsonObject } from '../common/json.js';
import type { ByteFile } from './byte-file.js';

/** Largest JSON file that is read: 25 MB. The largest published ones (indices of sharded models, tokenizers) stay below it. */
export const maxJsonBytes = 25_000_000;

const textDecoder = new TextDecoder('utf-8', { fatal: true });

/**
 * A whole JSON file that must hold an object.
 * @param code - which kind of fault a broken one is: `corrupt-file`, or `bad-config` for a configuration.
 * @throws TransferKitError `code`, or `too-large` beyond {@link maxJsonBytes}.
 */
export async function readJsonObject(file: ByteFile, code: TransferKitErrorCode = 'corrupt-file'): Promise<JsonObject> {
  if (file.size > maxJsonBytes) throw tooLarge(file);
  return parseJsonObject(await file.read(0, file.size), file.origin, code);
}

const tooLarge = (file: ByteFile): TransferKitError =>
  new TransferKitError('too-large', `"${file.origin}" has ${file.size} bytes; a JSON file may have at most ${maxJsonBytes}.`, {
    details: { file: file.origin, size: file.size, limit: maxJsonBytes },
  });

/** Bytes of JSON text that must hold an object. @throws TransferKitError `code` */
export function parseJsonObject(bytes: Uint8Array, origin: string, code: TransferKitErrorCode = 'corrupt-file'): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(textDecoder.decode(bytes));
  } catch (cause) {
    throw notJson(origin, code, cause instanceof Error ? cause.message : 'text that cannot be parsed', cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw notJson(origin, code, Array.isArray(value) ? 'an array' : JSON.stringify(value));
}

const notJson = (origin: string, code: TransferKitErrorCode, received: string, cause?: unknown): TransferKitError =>
  new TransferKitError(
    code,
    `"${origin}" should hold a JSON object.\n  received: ${received.slice(0, 200)}\n  Fix: fetch or write the file again.`,
    {
      details: { file: origin },
      cause,
    },
  );
