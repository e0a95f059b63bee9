import { TransferKitError } from '../errors.js';
import type { ByteFile } from './byte-file.js';

/** Several files read as one, in their order: a range may cross from one into the next. */
export function concatFiles(files: readonly ByteFile[], origin: string): ByteFile {
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const read = async (start: number, end: number): Promise<Uint8Array> => {
    if (!(start >= 0 && start <= end && end <= size)) throw outside(origin, start, end, size);
    const bytes = new Uint8Array(end - start);
    let fileStart = 0;
    for (const file of files) {
      const from = Math.max(start, fileStart);
      const to = Math.min(end, fileStart + file.size);
      if (from < to) bytes.set(await file.read(from - fileStart, to - fileStart), from - start);
      fileStart += file.size;
    }
    return bytes;
  };
  return { size, origin, read };
}

const outside = (origin: string, start: number, end: number, size: number): TransferKitError =>
  new TransferKitError(
    'corrupt-file',
    `"${origin}" has ${size} bytes; bytes ${start} to ${end} were asked for. Fix: fetch the files again.`,
    {
      details: { file: origin, start, end, size },
    },
  );
