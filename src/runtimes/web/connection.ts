import { TransferKitError } from '../../errors.js';
import { showUrl } from '../check-status.js';

/** What a failed `fetch` or a cut body means. Browsers tell no more than that it failed; a refusal by CORS looks the same. */
export function connectionError(url: string, error: unknown, signal?: AbortSignal): TransferKitError {
  if (signal?.aborted) return new TransferKitError('aborted', `the download of "${showUrl(url)}" was aborted.`, { cause: error });
  const reason = error instanceof Error ? error.message : String(error);
  return new TransferKitError(
    'network',
    `the connection to "${showUrl(url)}" failed: ${reason}.\n  Fix: check the network, and that the server lets other sites read it (CORS).`,
    { details: { url: showUrl(url) }, cause: error, retryable: true },
  );
}

/** `fetch`, with a TransferKitError instead of a TypeError. @throws TransferKitError `network` (retryable), `aborted` */
export async function connect(url: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    throw connectionError(url, error, init.signal ?? undefined);
  }
}
