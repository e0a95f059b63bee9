import type { ByteFile } from './byte-file.js';

/** Up to this size the sample is the whole file. */
const wholeBytes = 64 * 2 ** 20;
const pieces = 64;
const pieceBytes = 64 * 1024;

/**
 * Bytes that stand for a file where its identity is wanted: all of it up to 64 MiB, so that a change of one bit is seen. Of a
 * larger file 64 pieces of 64 KiB, evenly spread from its first byte (headers, directories) to its last, so that opening stays
 * quick. Callers hash the size along with it.
 */
export async function contentSample(file: ByteFile): Promise<Uint8Array> {
  if (file.size <= wholeBytes) return file.read(0, file.size);
  const sample = new Uint8Array(pieces * pieceBytes);
  for (let index = 0; index < pieces; index++) {
    const start = Math.floor(((file.size - pieceBytes) * index) / (pieces - 1));
    sample.set(await file.read(start, start + pieceBytes), index * pieceBytes);
  }
  return sample;
}
