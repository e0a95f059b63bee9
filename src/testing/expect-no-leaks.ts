import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';

/**
 * Runs work and fails when it leaves tensors behind.
 * @param keeps tensors that the work is meant to leave
 * @throws Error naming the numbers of tensors before and after
 * @example
 * ```ts
 * import { expectNoLeaks } from 'transferkit/testing';
 *
 * await expectNoLeaks(async () => {
 *   // load, train, predict, dispose
 * });
 * ```
 */
export async function expectNoLeaks<T>(work: () => T | Promise<T>, { keeps = 0 }: { readonly keeps?: number } = {}): Promise<T> {
  const before = tf.memory().numTensors;
  const result = await work();
  const left = tf.memory().numTensors - before;
  if (left !== keeps) throw new Error(`expected ${keeps} tensors to be left, received ${left} (${before} before)`);
  return result;
}

/**
 * Runs work that must fail with a TransferKitError, and gives the error.
 * @throws Error when it does not fail, fails with another code, or the message lacks a piece
 */
export async function expectFailure(work: () => unknown, code: string, ...pieces: readonly string[]): Promise<TransferKitError> {
  let caught: unknown;
  try {
    await work();
  } catch (error) {
    caught = error;
  }
  if (!TransferKitError.isInstance(caught))
    throw new Error(
      `expected a TransferKitError "${code}", received ${caught instanceof Error ? (caught.stack ?? caught.message) : 'no error'}`,
    );
  if (caught.code !== code) throw new Error(`expected code "${code}", received: ${caught.message}`);
  for (const piece of pieces)
    if (!caught.message.includes(piece)) throw new Error(`expected the message to say "${piece}", received: ${caught.message}`);
  return caught;
}
