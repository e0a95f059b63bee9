import { setTimeout } from 'node:timers/promises';
import { TransferKitError } from '../../../errors.js';

/** An error for a download that the caller stopped. */
export const abortedDownload = (): TransferKitError =>
  new TransferKitError('aborted', 'the download was aborted. What has arrived is kept; the same call goes on from there.');

/** Waits. @throws TransferKitError `aborted` */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await setTimeout(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch {
    throw abortedDownload();
  }
}
