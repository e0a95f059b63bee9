import { expect } from 'vitest';
import { TransferKitError, type TransferKitErrorCode } from '../../src/errors.js';

/** Runs work that must fail, and checks the code and a piece of the message. */
export async function expectError(
  work: () => unknown,
  code: TransferKitErrorCode,
  ...pieces: (string | RegExp)[]
): Promise<TransferKitError> {
  const error = await Promise.resolve()
    .then(work)
    .then(
      (value: unknown) => {
        throw new Error(`expected ${code}, received ${JSON.stringify(value)}`);
      },
      (reason: unknown) => reason,
    );
  if (!TransferKitError.isInstance(error)) throw error;
  expect(error.code).toBe(code);
  for (const piece of pieces) expect(error.message).toMatch(piece);
  return error;
}
