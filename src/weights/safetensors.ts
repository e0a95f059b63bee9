/**
 * Reader of the safetensors format: 8 bytes of header length, a JSON header, then the tensors back to back.
 * Pure: bytes in, numbers out. A header is not trusted; nothing is allocated that the file's real size does not bear out.
 * @source https://huggingface.co/docs/safetensors
 */
import { TransferKitError } from '../errors.js';
import type { ByteFile } from './byte-file.js';
import { findJsonTrick } from './find-json-trick.js';
import { bytesPerElement, decodeNumbers, isStoredType } from './number-types.js';
import type { StoredType, TensorInfo, TensorValue } from './tensor-value.js';

/**
 * Largest header that is parsed: 25 MB, about 200,000 tensors, ten times more than any published model has. The format's own cap
 * is 100 MB, but a JavaScript engine needs up to ten times the text for the parsed objects, which a hostile file could then ask for.
 */
export const maxHeaderBytes = 25_000_000;

export const lengthBytes = 8;
export const metadataName = '__metadata__';

/** Where one tensor lies in a file. */
export interface StoredTensor extends TensorInfo {
  /** First byte, counted from the start of the file. */
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
}

/** What a safetensors file says of itself. */
export interface SafetensorsHeader {
  /** By name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

interface Fault {
  readonly tensor?: string;
  readonly problem: string;
  readonly expected: string;
  readonly received: string;
}

/** Something of the parsed header that is wrong; turned into an error that names the file. */
class HeaderFault extends Error {
  constructor(readonly fault: Fault) {
    super(fault.problem);
  }
}

function corrupt(origin: string, fault: Fault, cause?: unknown): TransferKitError {
  const where = fault.tensor === undefined ? '' : `, tensor ${JSON.stringify(fault.tensor.slice(0, 200))}`;
  return new TransferKitError(
    'corrupt-file',
    `"${origin}"${where}: ${fault.problem}.\n  expected: ${fault.expected}\n  received: ${fault.received}\n` +
      '  Fix: fetch or save the file again; it was cut short, changed, or is not safetensors.',
    { details: { file: origin, ...fault }, cause },
  );
}

/**
 * Reads and checks the header of a safetensors file: sizes, names, types, and that the tensors cover the file's bytes without a
 * gap or an overlap.
 * @throws TransferKitError `corrupt-file` naming file, tensor, expected and received; `unsupported` for a number type we lack.
 * @example
 * ```ts
 * const header = await readSafetensorsHeader(memoryFile(writeSafetensors(new Map([['w', { shape: [1], values: new Float32Array(1) }]]))));
 * header.tensors.get('w'); // { dtype: 'F32', shape: [1], start: 64, end: 68 }
 * ```
 */
export async function readSafetensorsHeader(file: ByteFile): Promise<SafetensorsHeader> {
  const length = await readHeaderLength(file);
  const bytes = await file.read(lengthBytes, lengthBytes + length);
  try {
    return checkHeader(parseHeader(bytes), lengthBytes + length, file);
  } catch (error) {
    throw error instanceof HeaderFault ? corrupt(file.origin, error.fault) : error;
  }
}

async function readHeaderLength(file: ByteFile): Promise<number> {
  if (file.size < lengthBytes) {
    throw corrupt(file.origin, {
      problem: 'too short for a safetensors file',
      expected: `at least ${lengthBytes} bytes`,
      received: `${file.size} bytes`,
    });
  }
  const bytes = await file.read(0, lengthBytes);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  const room = file.size - lengthBytes;
  if (length > maxHeaderBytes) {
    const text = await startOfText(file);
    if (text !== undefined)
      throw corrupt(file.origin, { problem: 'this is text, and not safetensors', expected: 'a safetensors file', received: text });
    throw corrupt(file.origin, {
      problem: 'the header is too large',
      expected: `at most ${maxHeaderBytes} bytes`,
      received: `${length} bytes announced`,
    });
  }
  if (length > room) {
    throw corrupt(file.origin, {
      problem: 'the file ends inside its header',
      expected: `${length} bytes of header`,
      received: `${room} bytes`,
    });
  }
  return Number(length);
}

/** The start of a file of text: a web page, or what Git leaves where Git LFS has not fetched the file. */
async function startOfText(file: ByteFile): Promise<string | undefined> {
  const start = new TextDecoder().decode(await file.read(0, Math.min(60, file.size)));
  if (/[^\t\n\r\x20-\x7e]/.test(start)) return undefined;
  const isPointer = start.startsWith('version https://git-lfs');
  return `${JSON.stringify(start)}${isPointer ? ', a Git LFS pointer: "git lfs pull" fetches the file itself' : ''}`;
}

function parseHeader(bytes: Uint8Array): [string, unknown][] {
  const expected = 'a JSON object in UTF-8 that names each tensor once';
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new HeaderFault({ problem: 'the header cannot be read', expected, received: 'bytes that are not UTF-8' });
  }
  const trick = text.startsWith('{') ? findJsonTrick(text) : `text that starts with ${JSON.stringify(text.slice(0, 16))}`;
  if (trick !== undefined) throw new HeaderFault({ problem: 'the header cannot be read', expected, received: trick });
  try {
    return Object.entries(JSON.parse(text) as Record<string, unknown>);
  } catch (error) {
    throw new HeaderFault({ problem: 'the header cannot be read', expected, received: String(error).slice(0, 200) });
  }
}

function checkHeader(entries: readonly [string, unknown][], dataStart: number, file: ByteFile): SafetensorsHeader {
  const metadata = checkMetadata(entries.find(([name]) => name === metadataName)?.[1]);
  const stored = entries
    .filter(([name]) => name !== metadataName)
    .map(([name, entry]) => [name, checkEntry(name, entry, dataStart)] as const)
    .sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  checkCover(stored, dataStart, file.size);
  return { tensors: new Map(stored), metadata };
}

function checkMetadata(value: unknown): ReadonlyMap<string, string> {
  if (value === undefined) return new Map();
  const entries = isRecord(value) ? Object.entries(value) : [['', value] as const];
  for (const [name, text] of entries) {
    if (typeof text === 'string') continue;
    throw new HeaderFault({
      tensor: metadataName,
      problem: 'the metadata is broken',
      expected: 'strings by name',
      received: show({ [name]: text }),
    });
  }
  return new Map(entries as [string, string][]);
}

function checkEntry(tensor: string, entry: unknown, dataStart: number): StoredTensor {
  if (!isRecord(entry)) {
    throw new HeaderFault({ tensor, problem: 'its entry is broken', expected: '{ dtype, shape, data_offsets }', received: show(entry) });
  }
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isStoredType(dtype)) throw unknownType(tensor, dtype);
  if (!isSizeList(shape))
    throw new HeaderFault({
      tensor,
      problem: 'its shape is broken',
      expected: 'a list of whole numbers, 0 or more',
      received: show(shape),
    });
  if (!isSizeList(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw new HeaderFault({
      tensor,
      problem: 'its data_offsets are broken',
      expected: '[start, end], start not beyond end',
      received: show(offsets),
    });
  }
  checkSpan(tensor, dtype, shape, offsets[1]! - offsets[0]!);
  return { dtype, shape, start: dataStart + offsets[0]!, end: dataStart + offsets[1]! };
}

function unknownType(tensor: string, dtype: unknown): Error {
  const known = Object.keys(bytesPerElement).join(', ');
  if (typeof dtype !== 'string' || !/^[A-Z][A-Z0-9_]{1,15}$/.test(dtype)) {
    return new HeaderFault({ tensor, problem: 'its dtype is broken', expected: `one of ${known}`, received: show(dtype) });
  }
  return new TransferKitError(
    'unsupported',
    `tensor ${JSON.stringify(tensor)} holds ${dtype} numbers; this build reads ${known}.\n  Fix: convert the weights to one of these.`,
    {
      details: { tensor, dtype },
    },
  );
}

/** Shape times element size must be the span, multiplied step by step so that no product can lose its lowest digits. */
function checkSpan(tensor: string, dtype: StoredType, shape: readonly number[], span: number): void {
  const bytes = shape.reduce((product, size) => (Number.isSafeInteger(product * size) ? product * size : Infinity), bytesPerElement[dtype]);
  if (bytes === span) return;
  const expected = Number.isFinite(bytes) ? `${bytes} bytes for ${dtype} [${shape.join(',')}]` : 'a shape whose size can be counted';
  const received = Number.isFinite(bytes) ? `${span} bytes` : `[${shape.join(',').slice(0, 200)}]`;
  throw new HeaderFault({ tensor, problem: 'its shape does not fit its bytes', expected, received });
}

function checkCover(stored: readonly (readonly [string, StoredTensor])[], dataStart: number, fileSize: number): void {
  let next = dataStart;
  for (const [tensor, { start, end }] of stored) {
    const expected = `the first byte at ${next - dataStart}, where the tensor before it ends`;
    if (start !== next) {
      throw new HeaderFault({
        tensor,
        problem: start < next ? 'its bytes overlap another tensor' : 'there is a gap before its bytes',
        expected,
        received: `${start - dataStart}`,
      });
    }
    next = end;
  }
  if (next === fileSize) return;
  const problem = next > fileSize ? 'the file ends before its tensors do' : 'the file goes on after its last tensor';
  throw new HeaderFault({ problem, expected: `${next} bytes`, received: `${fileSize} bytes` });
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

const isSizeList = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && !Object.is(size, -0) && (size as number) >= 0);

const show = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 200);

/**
 * Reads one tensor by its range.
 * @throws TransferKitError `corrupt-file`, `unsupported`
 */
export async function readTensor(file: ByteFile, tensor: StoredTensor): Promise<TensorValue> {
  const bytes = await file.read(tensor.start, tensor.end);
  if (bytes.byteLength !== tensor.end - tensor.start) {
    throw corrupt(file.origin, {
      problem: 'the file ends inside a tensor',
      expected: `${tensor.end - tensor.start} bytes`,
      received: `${bytes.byteLength} bytes`,
    });
  }
  return { shape: tensor.shape, values: decodeNumbers(bytes, tensor.dtype) };
}
