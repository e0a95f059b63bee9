import { TransferKitError } from '../errors.js';

/** An address without user, password and query, which may hold secrets (signed links do). */
export function showUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed === undefined ? 'an address that cannot be parsed' : parsed.origin + parsed.pathname;
}

const fixes: Readonly<Record<number, string>> = {
  401: 'give a token that may read it.',
  403: 'give a token that may read it.',
  404: 'check the address.',
  429: 'wait, or give a token: servers allow more to those they know.',
};

/**
 * Gives back an answer that is one; 304 and 416 count, as the caller asked for what leads to them.
 * @throws TransferKitError `not-found`, `unauthorized`, `network` (retryable when another attempt may be answered)
 */
export async function checkStatus(response: Response, url: string): Promise<Response> {
  const { status } = response;
  if (response.ok || status === 304 || status === 416) return response;
  await response.body?.cancel();
  const code = status === 404 || status === 410 ? 'not-found' : status === 401 || status === 403 ? 'unauthorized' : 'network';
  const retryable = status === 408 || status === 429 || status >= 500;
  const errorCode = response.headers.get('x-error-code') ?? undefined;
  const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'));
  const later = retryAfterMs === undefined ? '' : ` It asks to come back in ${Math.ceil(retryAfterMs / 1000)} s.`;
  throw new TransferKitError(
    code,
    `"${showUrl(url)}" was answered with status ${status}.${later}\n  Fix: ${fixes[status] ?? 'try again later.'}`,
    {
      details: { url: showUrl(url), status, errorCode, retryAfterMs },
      retryable,
    },
  );
}

/** Seconds, or a date. */
function parseRetryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  const wait = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}
