import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { TransferKitError } from '../../../errors.js';
import { showUrl } from '../../check-status.js';
import type { DownloadRequest } from '../../runtime.js';
import { systemCode } from '../storage-error.js';
import { ask, connectionError, type Answer } from './ask.js';
import { discardPart, onDisk, readRecord, sizeOf, writeRecord, type EntryPaths, type EntryRecord } from './cache-entry.js';

/** What the server said of the bytes that are now in the part file. */
export interface Received {
  readonly etag?: string | undefined;
  readonly linkedEtag?: string | undefined;
}

/** One file on its way into the cache. */
export interface Job {
  readonly request: DownloadRequest;
  readonly paths: EntryPaths;
  /** The entry that is asked about again; the server may answer that it still holds. */
  readonly known?: EntryRecord | undefined;
}

interface Part extends Received {
  readonly offset: number;
  /** For `If-Range`: a strong etag or a date; undefined when the server gave none. */
  readonly validator?: string | undefined;
}

/**
 * One attempt: asks for what is missing and appends it to the part file.
 * @returns `unchanged` when the known entry still holds.
 * @throws TransferKitError `network` (retryable when another attempt may go further), `not-found`, `unauthorized`, `storage`, `aborted`
 */
export async function receive(job: Job): Promise<Received | 'unchanged'> {
  const { request, paths, known } = job;
  const part = await readPart(job);
  const conditions = known?.etag === undefined || part.offset > 0 ? {} : { 'if-none-match': known.etag };
  const answer = await ask(request.url, { ...request.headers, ...rangeHeaders(part), ...conditions }, request.signal);
  if (answer.response.status === 304) return 'unchanged';
  const offset = await startOf(answer, part, job);
  const received: Received & Pick<Part, 'validator'> = {
    etag: answer.response.headers.get('etag') ?? undefined,
    linkedEtag: answer.linkedEtag,
    validator: validatorOf(answer),
  };
  if (offset === 0) await discardPart(paths);
  await writeRecord(paths.partRecord, received);
  await appendBody(answer, offset, job);
  return received;
}

/** What an earlier attempt left; nothing when it cannot be told whether its bytes still belong to the file. */
async function readPart({ paths, request }: Job): Promise<Part> {
  const offset = await sizeOf(paths.part);
  const record = offset === 0 ? undefined : await readRecord(paths.partRecord);
  if (record === undefined) return { offset: 0 };
  const { validator, linkedEtag } = record as Partial<Part>;
  return validator === undefined && request.sha256 === undefined ? { offset: 0 } : { offset, validator, linkedEtag };
}

const rangeHeaders = ({ offset, validator }: Part): Record<string, string> => ({
  ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
  ...(offset > 0 && validator !== undefined ? { 'if-range': validator } : {}),
});

function validatorOf({ response }: Answer): string | undefined {
  const etag = response.headers.get('etag');
  return etag !== null && !etag.startsWith('W/') ? etag : (response.headers.get('last-modified') ?? undefined);
}

/** Where the body belongs: behind the part when the server continues it, at 0 when it sends the whole file. */
async function startOf(answer: Answer, part: Part, { request, paths }: Job): Promise<number> {
  const { response } = answer;
  if (response.status === 200) return 0;
  const first = Number(/^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '')?.[1] ?? NaN);
  const isSameFile = part.linkedEtag === answer.linkedEtag;
  if (response.status === 206 && first === part.offset && part.offset > 0 && isSameFile) return part.offset;
  await response.body?.cancel();
  await discardPart(paths);
  throw new TransferKitError(
    'network',
    `"${showUrl(request.url)}" cannot be continued at byte ${part.offset} (status ${response.status}). Fix: try again; it starts anew.`,
    {
      details: { url: showUrl(request.url), status: response.status },
      retryable: true,
    },
  );
}

/** The size that the whole file will have, where the server says. */
function totalOf({ response, linkedSize }: Answer, offset: number): number | undefined {
  const length = response.headers.get('content-length');
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  return length === null || encoding !== 'identity' ? linkedSize : offset + Number(length);
}

async function appendBody(answer: Answer, offset: number, { request, paths }: Job): Promise<void> {
  const total = totalOf(answer, offset);
  const limit = request.size ?? total ?? Infinity;
  let loaded = offset;
  const handle = await onDisk('write', paths.part, () => open(paths.part, offset > 0 ? 'a' : 'w'));
  try {
    for await (const piece of piecesOf(answer, request)) {
      loaded += piece.byteLength;
      await onDisk('write', paths.part, () => handle.appendFile(piece));
      request.onProgress?.({ file: basename(paths.file), loaded, ...(total === undefined ? {} : { total }) });
      if (loaded > limit) break; // more than it can be: the size check refuses it
    }
    await onDisk('write', paths.part, () => handle.datasync());
  } catch (error) {
    // On a full disk the part would only keep it full.
    if (TransferKitError.isInstance(error) && error.code === 'storage' && systemCode(error.cause) === 'ENOSPC') await discardPart(paths);
    throw error;
  } finally {
    await handle.close();
  }
  if (total !== undefined && loaded < total)
    throw connectionError(request.url, new Error(`it ended after ${loaded} of ${total} bytes`), request.signal);
}

/** The body piece by piece; a connection that breaks becomes a `network` error, and what came before it counts. */
async function* piecesOf({ response }: Answer, { url, signal }: DownloadRequest): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const next = await reader?.read().catch((error: unknown) => {
        throw connectionError(url, error, signal);
      });
      if (next === undefined || next.done) return;
      yield next.value;
    }
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}
