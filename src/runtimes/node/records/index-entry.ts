import { crc32 } from 'node:zlib';
import { keyBytes, type KeyIndex, type RecordPlace } from './key-index.js';

/*
 * An entry of an index file, little-endian: key (32 bytes), then uint32: offset and length of the record in the data file, CRC-32
 * of the record, CRC-32 of the 44 bytes before. Entries have one size, so one that is spoilt does not hide those behind it.
 */
export const entryBytes = keyBytes + 16;
const checkedBytes = entryBytes - 4;

/** An entry as bytes. */
export function encodeEntry(key: Uint8Array, { offset, length, crc }: Omit<RecordPlace, 'shard'>): Uint8Array {
  const bytes = new Uint8Array(entryBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(key);
  view.setUint32(keyBytes, offset, true);
  view.setUint32(keyBytes + 4, length, true);
  view.setUint32(keyBytes + 8, crc, true);
  view.setUint32(checkedBytes, crc32(bytes.subarray(0, checkedBytes)), true);
  return bytes;
}

/** Adds the entries of one shard to an index: those that are whole and whose record lies within the data. */
export function readEntries(file: Uint8Array, shard: number, dataSize: number, index: KeyIndex): void {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 0; at + entryBytes <= file.length; at += entryBytes) {
    const offset = view.getUint32(at + keyBytes, true);
    const length = view.getUint32(at + keyBytes + 4, true);
    if (offset + length > dataSize || view.getUint32(at + checkedBytes, true) !== crc32(file.subarray(at, at + checkedBytes))) continue;
    index.set(file.subarray(at, at + keyBytes), { shard, offset, length, crc: view.getUint32(at + keyBytes + 8, true) });
  }
}
