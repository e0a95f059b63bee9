import { TransferKitError } from '../errors.js';
import type { ImageLimits, Runtime } from '../runtimes/runtime.js';

function tooLarge(name: string, size: number, limits: ImageLimits): TransferKitError {
  return new TransferKitError(
    'too-large',
    `${name} has ${size} bytes or more, over the cap maxBytes of ${limits.maxBytes}.\n  Fix: shrink the picture, or raise the cap with limits: { maxBytes: ... }.`,
    { details: { name, cap: 'maxBytes', limit: limits.maxBytes, received: size } },
  );
}

/** The bytes of a picture on disk. @throws TransferKitError `not-found`, `too-large` before anything is read, `storage` */
export async function readImageFile(path: string, runtime: Runtime, limits: ImageLimits): Promise<Uint8Array> {
  const file = await runtime.openFile(path);
  if (file === undefined) {
    throw new TransferKitError(
      'not-found',
      `there is no picture "${path}".\n  Fix: check the path; relative paths start at the current folder.`,
      {
        details: { path },
      },
    );
  }
  if (file.size > limits.maxBytes) throw tooLarge(path, file.size, limits);
  return file.read(0, file.size);
}

function refused(url: string, status: number): TransferKitError {
  const code = status === 404 || status === 410 ? 'not-found' : status === 401 || status === 403 ? 'unauthorized' : 'network';
  const fix = code === 'network' ? 'Try again later.' : 'Check the address.';
  return new TransferKitError(code, `the server answered ${status} for the picture ${url}.\n  Fix: ${fix}`, {
    details: { url, status },
    retryable: status >= 500 || status === 429,
  });
}

/** Collects a response, and stops as soon as the cap is passed. */
async function collect(response: Response, url: string, limits: ImageLimits): Promise<Uint8Array> {
  const announced = Number(response.headers.get('content-length') ?? 0);
  if (announced > limits.maxBytes) throw tooLarge(url, announced, limits);
  const parts: BlobPart[] = [];
  const reader = response.body?.getReader();
  for (let size = 0; reader !== undefined;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > limits.maxBytes) {
      await reader.cancel();
      throw tooLarge(url, size, limits);
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/**
 * The bytes behind an http(s), data or blob address.
 * @throws TransferKitError `network` (retryable), `not-found`, `unauthorized`, `too-large`
 */
export async function fetchImage(url: string, limits: ImageLimits): Promise<Uint8Array> {
  const shown = url.length > 200 ? `${url.slice(0, 60)}...` : url; // a data: address holds the whole picture
  try {
    const response = await fetch(url);
    if (!response.ok) {
      await response.body?.cancel();
      throw refused(shown, response.status);
    }
    return await collect(response, shown, limits);
  } catch (error) {
    if (TransferKitError.isInstance(error)) throw error;
    const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error; // fetch says "fetch failed" and why inside
    const reason = inner instanceof Error ? inner.message : String(inner);
    throw new TransferKitError('network', `the picture ${shown} could not be fetched: ${reason}`, {
      details: { url: shown },
      cause: error,
      retryable: true,
    });
  }
}
