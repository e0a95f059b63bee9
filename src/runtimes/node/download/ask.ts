import { TransferKitError } from '../../../errors.js';
import { checkStatus, showUrl } from '../../check-status.js';
import { abortedDownload } from './pause.js';

/** The last answer of a chain of redirects. */
export interface Answer {
  readonly response: Response;
  /** What the first server says of the file that it redirects to (a Hub's `X-Linked-Etag`), without quotes. */
  readonly linkedEtag?: string | undefined;
  /** The first server's word on the size, in bytes. */
  readonly linkedSize?: number | undefined;
}

type Headers = Readonly<Record<string, string>>;

const maxRedirects = 10;
/** Headers that are meant for the server that was addressed, and are nobody else's business. */
const privateHeaders = ['authorization', 'cookie', 'proxy-authorization'];

/**
 * Asks for a file and follows redirects by hand: to read what the first server says of it, and to be certain that private headers
 * never reach another host.
 * @throws TransferKitError `network`, `not-found`, `unauthorized`, `aborted`. Answers 304 and 416 are given back.
 */
export async function ask(url: string, headers: Headers, signal?: AbortSignal): Promise<Answer> {
  let linked: Omit<Answer, 'response'> = {};
  let current = url;
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const isHome = new URL(current).origin === new URL(url).origin;
    const response = await fetchOnce(current, isHome ? headers : withoutPrivate(headers), signal);
    if (isHome) linked = readLinked(response, linked);
    const target = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || target === null) return { response: await checkStatus(response, url), ...linked };
    await response.body?.cancel();
    current = nextUrl(current, target);
  }
  throw new TransferKitError('network', `"${showUrl(url)}" redirects more than ${maxRedirects} times. Fix: check the address.`, {
    details: { url: showUrl(url) },
  });
}

const withoutPrivate = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !privateHeaders.includes(name.toLowerCase())));

function readLinked(response: Response, before: Omit<Answer, 'response'>): Omit<Answer, 'response'> {
  const etag = response.headers.get('x-linked-etag')?.replace(/^W\/|"/g, '');
  const size = response.headers.get('x-linked-size');
  return { linkedEtag: etag ?? before.linkedEtag, linkedSize: size === null ? before.linkedSize : Number(size) };
}

function nextUrl(from: string, location: string): string {
  const next = URL.canParse(location, from) ? new URL(location, from) : undefined;
  const isAllowed = next !== undefined && (next.protocol === 'https:' || (next.protocol === 'http:' && from.startsWith('http:')));
  if (isAllowed) return next.href;
  throw new TransferKitError(
    'network',
    `"${showUrl(from)}" redirects to "${showUrl(location)}", which is not a secure address. Fix: check the server.`,
    {
      details: { url: showUrl(from) },
    },
  );
}

async function fetchOnce(url: string, headers: Headers, signal?: AbortSignal): Promise<Response> {
  try {
    // Compressed answers have another length than the file, and cannot be resumed.
    return await fetch(url, { headers: { 'accept-encoding': 'identity', ...headers }, redirect: 'manual', signal: signal ?? null });
  } catch (error) {
    throw connectionError(url, error, signal);
  }
}

/** What a failed `fetch` or a cut body means. */
export function connectionError(url: string, error: unknown, signal?: AbortSignal): TransferKitError {
  if (signal?.aborted) return abortedDownload();
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? cause.message || cause.name : 'unknown';
  return new TransferKitError(
    'network',
    `the connection to "${showUrl(url)}" failed: ${reason}.\n  Fix: check the network and try again; what has arrived is kept.`,
    {
      details: { url: showUrl(url) },
      cause: error,
      retryable: true,
    },
  );
}
