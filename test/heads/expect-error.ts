import { expect } from 'vitest';
import { TransferKitError, type TransferKitErrorCode } from '../../src/errors.js';

/** Runs a function that must throw a TransferKitError with this code and a message like this. */
export function expectError(run: () => unknown, code: TransferKitErrorCode, message: RegExp): void {
  let caught: unknown;
  try {
    run();
  } catch (error) {
    caught = error;
  }
  expect(TransferKitError.isInstance(caught), `expected a TransferKitError, got ${String(caught)}`).toBe(true);
  expect((caught as TransferKitError).code).toBe(code);
  expect((caught as TransferKitError).message).toMatch(message);
}
