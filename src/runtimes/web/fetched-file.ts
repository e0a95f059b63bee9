import { TransferKitError } from '../../errors.js';
import type { ByteFile } from '../../weights/byte-file.js';
import { checkStatus, showUrl } from '../check-status.js';
import { blobFile, checkRange } from './blob-file.js';
import { connect, connectionError } from './connection.js';

/** Of a file, this much comes with the first request; small ones come whole. */
const headBytes = 1 << 20;

/** The size of the whole file, where the server says so and other sites may read it. */
const totalSize = (response: Response): number | undefined => {
  const total = /^bytes 0-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
};

/** A page in place of a file: servers of single-page applications answer so for what they do not have. */
const isPageInstead = (response: Response, url: string): boolean =>
  (response.headers.get('content-type') ?? '').startsWith('text/html') && !/\.html?$/i.test(new URL(url).pathname);

async function bodyOf(response: Response, url: string): Promise<Blob> {
  try {
    return await response.blob();
  } catch (error) {
    throw connectionError(url, error);
  }
}

async function readRange(url: string, start: number, end: number): Promise<Uint8Array> {
  const response = await checkStatus(await connect(url, { headers: { range: `bytes=${start}-${end - 1}` } }), url);
  const bytes = new Uint8Array(await (await bodyOf(response, url)).arrayBuffer());
  if (response.status === 206 && bytes.length === end - start) return bytes;
  if (response.status === 200 && bytes.length >= end) return bytes.subarray(start, end);
  throw new TransferKitError(
    'network',
    `"${showUrl(url)}" gave ${bytes.length} bytes (status ${response.status}) where bytes ${start} to ${end} were asked for.\n  Fix: try again.`,
    { details: { url: showUrl(url), start, end }, retryable: true },
  );
}

/** The beginning is there already, the rest is asked for when it is read. */
function rangedFile(url: string, head: Blob, size: number): ByteFile {
  const beginning = blobFile(head, url);
  return {
    size,
    origin: url,
    async read(start, end) {
      checkRange(url, size, start, end);
      if (end <= head.size) return beginning.read(start, end);
      if (start >= head.size) return readRange(url, start, end);
      const [first, rest] = await Promise.all([beginning.read(start, head.size), readRange(url, head.size, end)]);
      const bytes = new Uint8Array(end - start);
      bytes.set(first);
      bytes.set(rest, first.length);
      return bytes;
    },
  };
}

async function openAgain(url: string): Promise<ByteFile> {
  const response = await checkStatus(await connect(url), url);
  return blobFile(await bodyOf(response, url), url);
}

/**
 * Opens what is at an http(s), blob or data address: by range where the server can, else whole. Undefined where there is nothing.
 * @throws TransferKitError `network` (retryable), `unauthorized`
 */
export async function fetchedFile(url: string): Promise<ByteFile | undefined> {
  const isWeb = /^https?:/i.test(url);
  const response = await connect(url, isWeb ? { headers: { range: `bytes=0-${headBytes - 1}` } } : {});
  if ([404, 410].includes(response.status) || (isWeb && isPageInstead(response, url))) {
    await response.body?.cancel();
    return undefined;
  }
  await checkStatus(response, url);
  if (response.status === 416) return blobFile(new Blob([]), url); // no first byte: the file is empty
  const body = await bodyOf(response, url);
  if (response.status !== 206) return blobFile(body, url);
  const size = totalSize(response);
  if (size === undefined) return openAgain(url);
  return body.size >= size ? blobFile(body, url) : rangedFile(url, body, size);
}
