/** Bytes that can be read by range: a file, a cached download, memory. One code path for all. */
export interface ByteFile {
  /** Length in bytes. */
  readonly size: number;
  /** Where the bytes come from, for messages. */
  readonly origin: string;
  /**
   * Bytes `start` (included) to `end` (excluded).
   * @throws TransferKitError `corrupt-file` when the range is not inside the file.
   */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** A ByteFile over bytes that are already in memory. */
export function memoryFile(bytes: Uint8Array, origin = 'memory'): ByteFile {
  return { size: bytes.byteLength, origin, read: (start, end) => Promise.resolve(bytes.subarray(start, end)) };
}
