import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { TransferKitError } from '../../errors.js';
import type { ByteFile } from '../../weights/byte-file.js';
import { showUrl } from '../check-status.js';
import type { DownloadRequest } from '../runtime.js';
import {
  commitPart,
  discardPart,
  entryPaths,
  findEntry,
  hashFile,
  sizeOf,
  type EntryPaths,
  type FoundEntry,
} from './download/cache-entry.js';
import { acquireLock } from './download/file-lock.js';
import { pause } from './download/pause.js';
import { receive, type Job, type Received } from './download/receive.js';
import { openFile } from './files.js';

/** The folder that downloads are kept in: `TRANSFERKIT_CACHE`, or `transferkit` in the system's place for caches. */
export function defaultCacheDir(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: string = process.platform,
): string {
  const { TRANSFERKIT_CACHE: own, XDG_CACHE_HOME: xdg, LOCALAPPDATA: local } = environment;
  if (own) return own;
  if (xdg) return join(xdg, 'transferkit');
  if (platform === 'win32') return join(local || join(homedir(), 'AppData', 'Local'), 'transferkit', 'cache');
  return platform === 'darwin' ? join(homedir(), 'Library', 'Caches', 'transferkit') : join(homedir(), '.cache', 'transferkit');
}

/**
 * Downloads a file into the cache, or finds it there. Interrupted downloads go on where they stopped; size and SHA-256 are checked;
 * a file appears under its name only when it is complete; of several processes one downloads and the others wait for it.
 * @throws TransferKitError `network`, `not-found`, `unauthorized`, `offline`, `corrupt-file`, `storage`, `aborted`, `bad-option`
 */
export async function download(request: DownloadRequest): Promise<ByteFile> {
  const paths = entryPaths(request.cacheDir ?? defaultCacheDir(), request.key);
  const found = await findEntry(paths, request);
  if (found.state === 'good' && (request.offline || !request.revalidate)) return openEntry(paths);
  if (request.offline) throw offlineError(request, found);
  try {
    await refresh(request, paths);
  } catch (error) {
    if (found.state !== 'good' || !isTemporary(error)) throw error;
  }
  return openEntry(paths);
}

async function openEntry(paths: EntryPaths): Promise<ByteFile> {
  const file = await openFile(paths.file);
  if (file !== undefined) return file;
  throw new TransferKitError(
    'storage',
    `"${paths.file}" vanished from the cache just now. Fix: try again; nothing else should delete files there meanwhile.`,
    {
      details: { path: paths.file },
      retryable: true,
    },
  );
}

/** Whether an entry that could not be asked about again may serve as it is: no network, or a cache that cannot be written. */
const isTemporary = (error: unknown): boolean =>
  TransferKitError.isInstance(error) && (error.code === 'storage' || (error.code === 'network' && error.retryable));

const offlineError = ({ url, key }: DownloadRequest, { state }: FoundEntry): TransferKitError =>
  new TransferKitError(
    'offline',
    `"${basename(key)}" is ${state === 'spoilt' ? 'damaged in the cache' : 'not in the cache'}, and the network is not to be used.\n` +
      `  It would come from ${showUrl(url)}.\n  Fix: run once without "offline", or copy the cache of a machine that has it.`,
    { details: { url: showUrl(url), key, state } },
  );

/** Brings the entry up to date, alone among all processes. */
async function refresh(request: DownloadRequest, paths: EntryPaths): Promise<void> {
  const lock = await acquireLock(paths.lock, request.signal);
  try {
    // Another process may have finished while this one waited.
    const found = await findEntry(paths, request);
    if (found.state === 'good' && !request.revalidate) return;
    if (found.state === 'spoilt') await rm(paths.file, { force: true });
    await fetchVerified({ request, paths, known: found.state === 'good' ? found.record : undefined });
  } finally {
    await lock.release();
  }
}

async function fetchVerified(job: Job): Promise<void> {
  for (let round = 1; ; round++) {
    const received = await withRetries(job);
    if (received === 'unchanged') return;
    const size = await sizeOf(job.paths.part);
    const sha256 = await hashFile(job.paths.part);
    const fault = findFault(job.request, received, size, sha256);
    if (fault === undefined) return commitPart(job.paths, { url: showUrl(job.request.url), size, sha256, etag: received.etag });
    await discardPart(job.paths);
    // Once more from the first byte: a bad resume or a bad copy on one server of many heals so.
    if (round === 2) throw corruptDownload(job.request, fault);
  }
}

interface Fault {
  readonly expected: string;
  readonly received: string;
}

function findFault(request: DownloadRequest, { linkedEtag = '' }: Received, size: number, sha256: string): Fault | undefined {
  const wanted = request.sha256 ?? (/^[0-9a-f]{64}$/.test(linkedEtag) ? linkedEtag : sha256);
  if ((request.size ?? size) !== size) return { expected: `${request.size} bytes`, received: `${size} bytes` };
  return wanted === sha256 ? undefined : { expected: `SHA-256 ${wanted}`, received: `SHA-256 ${sha256}` };
}

const corruptDownload = ({ url }: DownloadRequest, { expected, received }: Fault): TransferKitError =>
  new TransferKitError(
    'corrupt-file',
    `"${showUrl(url)}" is not what it should be, twice in a row.\n  expected: ${expected}\n  received: ${received}\n  Fix: try another mirror, or tell its keeper; nothing was kept.`,
    { details: { url: showUrl(url), expected, received } },
  );

const maxFailures = 4;
/** An attempt that brought this many bytes was worth it and does not count as a failure in a row. */
const progressBytes = 64 * 1024;
const maxWaitMs = 60_000;

/** Attempts until one succeeds: as long as they make progress, else four in a row. */
async function withRetries(job: Job): Promise<Received | 'unchanged'> {
  let failures = 0;
  for (;;) {
    const before = await sizeOf(job.paths.part);
    try {
      return await receive(job);
    } catch (error) {
      const advanced = (await sizeOf(job.paths.part)) - before >= progressBytes;
      failures = advanced ? 1 : failures + 1;
      const wait = waitBefore(failures, error, job.request);
      if (wait === undefined) throw error;
      await pause(wait, job.request.signal);
    }
  }
}

/** Milliseconds until the next attempt; undefined when there should be none. */
function waitBefore(failures: number, error: unknown, { retryDelayMs = 500 }: DownloadRequest): number | undefined {
  if (!TransferKitError.isInstance(error) || !error.retryable || failures >= maxFailures) return undefined;
  const asked = Number(error.details['retryAfterMs'] ?? 0);
  return asked > maxWaitMs ? undefined : Math.max(asked, Math.min(maxWaitMs, retryDelayMs * 2 ** (failures - 1)));
}
