import type { EncodedArray } from '../inputs/input.js';
import type { ExtractedExample } from './extractor.js';

/*
 * One example as bytes, all little-endian on the machines that tfjs runs on. int32: branches, arrays a branch, target arrays, 0;
 * float64: length; then for each array int32: kind, rank, each axis; then the values of all arrays. Every part is a multiple of
 * four bytes, so that values can be used where they lie.
 */
const fixedBytes = 24;

const kindOf = (array: EncodedArray): number => (array.values instanceof Int32Array ? 1 : 0);

/** An example as one block of bytes. @param withTarget whether the target goes with it */
export function encodeRecord({ branches, target, length }: ExtractedExample, withTarget: boolean): Uint8Array {
  const targets = withTarget ? target : [];
  const arrays = [...branches.flat(), ...targets];
  const header = arrays.flatMap((array) => [kindOf(array), array.shape.length, ...array.shape]);
  const start = fixedBytes + header.length * 4;
  const bytes = new Uint8Array(start + arrays.reduce((sum, { values }) => sum + values.byteLength, 0));
  new Int32Array(bytes.buffer, 0, 4).set([branches.length, branches[0]?.length ?? 0, targets.length, 0]);
  new Float64Array(bytes.buffer, 16, 1)[0] = length;
  new Int32Array(bytes.buffer, fixedBytes, header.length).set(header);
  let offset = start;
  for (const { values } of arrays) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
    offset += values.byteLength;
  }
  return bytes;
}

interface ArrayHead {
  readonly kind: number;
  readonly shape: readonly number[];
}

/** Reads the description of some arrays; undefined where it makes no sense. */
function readHeads(words: Int32Array, count: number): { heads: ArrayHead[]; end: number } | undefined {
  const heads: ArrayHead[] = [];
  let at = fixedBytes / 4;
  for (let index = 0; index < count; index++) {
    const [kind, rank] = [words[at]!, words[at + 1]!];
    if (!(kind === 0 || kind === 1) || !(rank >= 0 && rank <= 8) || at + 2 + rank > words.length) return undefined;
    heads.push({ kind, shape: [...words.subarray(at + 2, at + 2 + rank)] });
    at += 2 + rank;
  }
  return { heads, end: at };
}

const sizeOf = ({ shape }: ArrayHead): number => shape.reduce((product, axis) => product * axis, 1);

/**
 * An example from its bytes. Its arrays are views of the bytes where these lie on a border of four.
 * @returns undefined when the bytes are no such example
 */
export function decodeRecord(given: Uint8Array): ExtractedExample | undefined {
  const bytes = given.byteOffset % 4 === 0 ? given : given.slice();
  if (bytes.length < fixedBytes || bytes.length % 4 !== 0) return undefined;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const [branchCount, perBranch, targetCount] = [words[0]!, words[1]!, words[2]!];
  const count = branchCount * perBranch + targetCount;
  if (Math.min(branchCount, perBranch, targetCount) < 0 || count * 2 > words.length) return undefined;
  const read = readHeads(words, count);
  if (read === undefined || read.end + read.heads.reduce((sum, head) => sum + sizeOf(head), 0) !== words.length) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(16, true);
  const arrays = takeArrays(bytes, read.heads, read.end);
  const branches = Array.from({ length: branchCount }, (_, branch) => arrays.slice(branch * perBranch, (branch + 1) * perBranch));
  return { branches, target: arrays.slice(branchCount * perBranch), length };
}

function takeArrays({ buffer, byteOffset }: Uint8Array, heads: readonly ArrayHead[], start: number): EncodedArray[] {
  let at = start;
  return heads.map((head) => {
    const size = sizeOf(head);
    const values =
      head.kind === 1 ? new Int32Array(buffer, byteOffset + at * 4, size) : new Float32Array(buffer, byteOffset + at * 4, size);
    at += size;
    return { shape: head.shape, values };
  });
}
