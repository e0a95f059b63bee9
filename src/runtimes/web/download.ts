import { TransferKitError } from '../../errors.js';
import type { ByteFile } from '../../weights/byte-file.js';
import { checkStatus, showUrl } from '../check-status.js';
import type { DownloadRequest } from '../runtime.js';
import { blobFile } from './blob-file.js';
import { connect, connectionError } from './connection.js';
import { sha256 as hash } from './files.js';

/** Caches hold answers to requests, so a key is dressed as an address; nothing is ever asked of it. */
const addressOf = (key: string): string => `https://transferkit.invalid/${key.split('/').map(encodeURIComponent).join('/')}`;
const hashHeader = 'x-transferkit-sha256';
const defaultCache = 'transferkit';
const maxFailures = 4;
const maxWaitMs = 60_000;

/** The browser's cache for this site; undefined where pages have none (not secure, or forbidden). */
async function openCache(name: string): Promise<Cache | undefined> {
  try {
    return await (globalThis as { caches?: CacheStorage }).caches?.open(name);
  } catch {
    return undefined;
  }
}

interface FoundEntry {
  readonly state: 'good' | 'spoilt' | 'absent';
  readonly file?: Blob;
}

/** What the cache has for a request. Its content was checked when it was written; size and stated SHA-256 are compared each time. */
async function findEntry(cache: Cache | undefined, { key, size, sha256 }: DownloadRequest): Promise<FoundEntry> {
  const answer = await cache?.match(addressOf(key));
  if (answer === undefined) return { state: 'absent' };
  const file = await answer.blob();
  const isGood = (size ?? file.size) === file.size && (sha256 === undefined || sha256 === answer.headers.get(hashHeader));
  return isGood ? { state: 'good', file } : { state: 'spoilt' };
}

const offlineError = ({ url, key }: DownloadRequest, { state }: FoundEntry): TransferKitError =>
  new TransferKitError(
    'offline',
    `"${key.split('/').at(-1)}" is ${state === 'spoilt' ? 'damaged in the cache' : 'not in the cache'}, and the network is not to be used.\n` +
      `  It would come from ${showUrl(url)}.\n  Fix: run once without "offline".`,
    { details: { url: showUrl(url), key, state } },
  );

/** The size that will arrive, where the server says; a compressed answer states another one. */
function totalOf({ headers }: Response, size: number | undefined): number | undefined {
  const isPlain = (headers.get('content-encoding') ?? 'identity') === 'identity';
  return size ?? (isPlain && headers.has('content-length') ? Number(headers.get('content-length')) : undefined);
}

/** One attempt: the body piece by piece, telling how far it is. */
async function receive({ url, key, headers = {}, size, revalidate, signal, onProgress }: DownloadRequest): Promise<Blob> {
  const init: RequestInit = { headers, signal: signal ?? null, cache: revalidate ? 'no-cache' : 'default' };
  const response = await checkStatus(await connect(url, init), url);
  const total = totalOf(response, size);
  const pieces: BlobPart[] = [];
  const reader = response.body?.getReader();
  for (let loaded = 0; reader !== undefined;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw connectionError(url, error, signal);
    });
    if (done) break;
    pieces.push(value);
    loaded += value.byteLength;
    onProgress?.({ file: key.split('/').at(-1)!, loaded, ...(total === undefined ? {} : { total }) });
    if (loaded > (size ?? Infinity)) {
      await reader.cancel();
      break; // more than it can be: the size check refuses it
    }
  }
  return new Blob(pieces);
}

function pause(milliseconds: number, url: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(connectionError(url, signal?.reason, signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Attempts until one succeeds, four at most, with a wait between them that doubles. */
async function receiveWithRetries(request: DownloadRequest): Promise<Blob> {
  for (let failures = 1; ; failures++) {
    try {
      return await receive(request);
    } catch (error) {
      const asked = TransferKitError.isInstance(error) ? Number(error.details['retryAfterMs'] ?? 0) : 0;
      const isLost = !TransferKitError.isInstance(error) || !error.retryable || failures >= maxFailures || asked > maxWaitMs;
      if (isLost) throw error;
      await pause(Math.max(asked, Math.min(maxWaitMs, (request.retryDelayMs ?? 500) * 2 ** (failures - 1))), request.url, request.signal);
    }
  }
}

function checkContent(
  { url, size, sha256 }: DownloadRequest,
  received: { readonly size: number; readonly sha256: string | undefined },
): void {
  const bySize = (size ?? received.size) === received.size;
  if (bySize && (sha256 === undefined || sha256 === received.sha256)) return;
  const [wanted, got] = bySize ? [`SHA-256 ${sha256}`, `SHA-256 ${received.sha256}`] : [`${size} bytes`, `${received.size} bytes`];
  throw new TransferKitError(
    'corrupt-file',
    `"${showUrl(url)}" is not what it should be.\n  expected: ${wanted}\n  received: ${got}\n  Fix: try another mirror, or tell its keeper; nothing was kept.`,
    { details: { url: showUrl(url), expected: wanted, received: got } },
  );
}

/** Downloads, checks, and keeps the file. Where the cache refuses (it is full), the file serves from memory and comes again next time. */
async function refresh(request: DownloadRequest, cache: Cache | undefined): Promise<Blob> {
  const file = await receiveWithRetries(request);
  const received = request.sha256 === undefined ? undefined : await hash(new Uint8Array(await file.arrayBuffer()));
  checkContent(request, { size: file.size, sha256: received });
  const headers = received === undefined ? {} : { [hashHeader]: received };
  await cache?.put(addressOf(request.key), new Response(file, { headers })).catch(() => undefined);
  return file;
}

/**
 * Downloads a file into the browser's cache of this site, or finds it there. Size and SHA-256 are checked; what broke off begins
 * anew. Without a cache (a page that is not secure) it downloads each time. `cacheDir` names the cache; default `transferkit`.
 * @throws TransferKitError `network`, `not-found`, `unauthorized`, `offline`, `corrupt-file`, `aborted`
 */
export async function download(request: DownloadRequest): Promise<ByteFile> {
  const cache = await openCache(request.cacheDir ?? defaultCache);
  const found = await findEntry(cache, request);
  if (found.file !== undefined && (request.offline || !request.revalidate)) return blobFile(found.file, request.key);
  if (request.offline) throw offlineError(request, found);
  try {
    return blobFile(await refresh(request, cache), request.key);
  } catch (error) {
    const mayServe = TransferKitError.isInstance(error) && error.code === 'network' && error.retryable;
    if (found.file === undefined || !mayServe) throw error;
    return blobFile(found.file, request.key);
  }
}
