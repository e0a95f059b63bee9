import { TransferKitError } from '../../errors.js';
import type { ByteFile } from '../../weights/byte-file.js';

/** @throws TransferKitError `corrupt-file` when bytes outside the file are asked for. */
export function checkRange(origin: string, size: number, start: number, end: number): void {
  if (start >= 0 && start <= end && end <= size) return;
  throw new TransferKitError(
    'corrupt-file',
    `"${origin}" has ${size} bytes, and bytes ${start} to ${end} were asked for.\n  Fix: get the file again.`,
    { details: { origin, size, start, end } },
  );
}

/** A ByteFile over a Blob, which the browser may keep on disk. */
export function blobFile(blob: Blob, origin: string): ByteFile {
  return {
    size: blob.size,
    origin,
    async read(start, end) {
      checkRange(origin, blob.size, start, end);
      return new Uint8Array(await blob.slice(start, end).arrayBuffer());
    },
  };
}
