import { expect } from 'vitest';
import { TransferKitError, type TransferKitErrorCode } from '../../src/errors.js';

/** Expects a promise or function to fail with a code and with pieces of its message; gives the error. */
export async function expectError(
  work: Promise<unknown> | (() => unknown),
  code: TransferKitErrorCode,
  ...pieces: (string | RegExp)[]
): Promise<TransferKitError> {
  let error: unknown;
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (caught) {
    error = caught;
  }
  if (!TransferKitError.isInstance(error))
    throw new Error(`expected a TransferKitError ${code}, received ${String(error)}`, { cause: error });
  for (const piece of pieces) expect(error.message).toMatch(piece);
  expect(error.code, error.message).toBe(code);
  return error;
}
