/**
 * A protobuf message as the list of its fields, each with its place in the bytes, whether we know it or not. That is what is needed to
 * read a little of a file, and to take parts out of it and leave the rest as it is. The bytes are not trusted.
 * @source https://protobuf.dev/programming-guides/encoding
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { TransferKitError } from '../errors.js';
import { maxOnnxBytes } from './onnx-fields.js';

/** A message inside a file. */
export interface ProtobufMessage {
  /** What it is, for errors: `model`, `node`, ... */
  readonly kind: string;
  /** The bytes of this message alone; not a copy. */
  readonly bytes: Uint8Array;
  /** Where they start in the file. */
  readonly offset: number;
}

/** One field of a message. Places are counted from the start of the message. */
export interface ProtobufField {
  readonly number: number;
  readonly wireType: WireType;
  /** Start of the field, with its number. */
  readonly head: number;
  /** Start of what it holds, after number and length. */
  readonly start: number;
  readonly end: number;
}

/** The whole of some bytes, as a message. @throws TransferKitError `too-large` over 2 GB, which no message can have. */
export function protobufMessage(kind: string, bytes: Uint8Array): ProtobufMessage {
  if (bytes.length > maxOnnxBytes) {
    throw new TransferKitError(
      'too-large',
      `this ${kind} is too large to be protobuf.\n  expected: at most ${maxOnnxBytes} bytes\n  received: ${bytes.length} bytes\n` +
        '  Fix: check what file this is; larger models keep their weights in files beside the .onnx file.',
      { details: { size: bytes.length, limit: maxOnnxBytes } },
    );
  }
  return { kind, bytes, offset: 0 };
}

/**
 * The fields of a message, one by one and in their order.
 * @throws TransferKitError `corrupt-file` with the place: cut short, a wrong tag, an endless varint, a length beyond the end.
 */
export function* protobufFields(message: ProtobufMessage): Generator<ProtobufField, void, void> {
  const reader = new BinaryReader(message.bytes);
  while (reader.pos < reader.len) {
    const head = reader.pos;
    let field: ProtobufField;
    try {
      field = nextField(reader, message.bytes);
    } catch (error) {
      throw corruptMessage(message, head, 'fields of protobuf, each within its message', told(error), error);
    }
    yield field;
  }
}

function told(error: unknown): string {
  return error instanceof RangeError
    ? 'a field that goes beyond the end'
    : `a broken field (${error instanceof Error ? error.message : ''})`;
}

function nextField(reader: BinaryReader, bytes: Uint8Array): ProtobufField {
  const head = reader.pos;
  const [number, wireType] = reader.tag();
  const length = wireType === WireType.LengthDelimited ? reader.uint32() : bytesWithoutLength(bytes, reader.pos, wireType);
  const start = reader.pos;
  reader.pos += length;
  if (reader.pos > reader.len) throw new RangeError('beyond the end');
  return { number, wireType, head, start, end: reader.pos };
}

function bytesWithoutLength(bytes: Uint8Array, place: number, wireType: WireType): number {
  if (wireType === WireType.Varint) return varintBytes(bytes, place);
  if (wireType === WireType.Bit64) return 8;
  if (wireType === WireType.Bit32) return 4;
  // Groups were given up before ONNX began, and could be nested without end.
  throw new Error('a group');
}

function varintBytes(bytes: Uint8Array, place: number): number {
  for (let length = 1; length <= 10; length++) if ((bytes[place + length - 1] ?? 0) < 0x80) return length;
  throw new Error('an endless varint');
}

/** An error that says where in the file a message is not what it should be. */
export function corruptMessage(
  { kind, offset, bytes }: ProtobufMessage,
  place: number,
  expected: string,
  received: string,
  cause?: unknown,
): TransferKitError {
  return new TransferKitError(
    'corrupt-file',
    `this is not a sound ONNX file: ${kind}, at byte ${offset + place}.\n  expected: ${expected}\n  received: ${received}${startOfText(offset, bytes)}\n` +
      '  Fix: fetch or export the file again; it was cut short, changed, or is not ONNX.',
    { details: { message: kind, byte: offset + place, expected, received }, cause },
  );
}

/** The start of a file of text: a web page, or what Git leaves where Git LFS has not fetched the file. */
function startOfText(offset: number, bytes: Uint8Array): string {
  const start = new TextDecoder().decode(bytes.subarray(0, 60));
  return offset === 0 && start.length > 8 && !/[^\t\n\r\x20-\x7e]/.test(start) ? `, in text that starts with ${JSON.stringify(start)}` : '';
}

function check(message: ProtobufMessage, field: ProtobufField, wireType: WireType, what: string): void {
  if (field.wireType === wireType) return;
  throw corruptMessage(message, field.head, `${what} in field ${field.number}`, `wire type ${field.wireType}`);
}

/** What a field holds, as a message of its own. @throws TransferKitError `corrupt-file` for a field of another kind. */
export function innerMessage(message: ProtobufMessage, field: ProtobufField, kind: string): ProtobufMessage {
  return { kind, bytes: fieldBytes(message, field, kind), offset: message.offset + field.start };
}

/** What a field holds, not copied. @throws TransferKitError `corrupt-file` for a field of another kind. */
export function fieldBytes(message: ProtobufMessage, field: ProtobufField, what = 'bytes'): Uint8Array {
  check(message, field, WireType.LengthDelimited, what);
  return message.bytes.subarray(field.start, field.end);
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A field of text. @throws TransferKitError `corrupt-file` for a field of another kind, or bytes that are not UTF-8. */
export function fieldText(message: ProtobufMessage, field: ProtobufField): string {
  const bytes = fieldBytes(message, field, 'text');
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw corruptMessage(message, field.head, `text in UTF-8 in field ${field.number}`, 'other bytes', error);
  }
}

/** A field that is a whole number; beyond 2^53 it is rounded. @throws TransferKitError `corrupt-file` for a field of another kind. */
export function fieldInteger(message: ProtobufMessage, field: ProtobufField): number {
  check(message, field, WireType.Varint, 'a whole number');
  return Number(new BinaryReader(message.bytes.subarray(field.start, field.end)).int64());
}

/**
 * Whole numbers of a repeated field, of which one piece is given: a single one, or many packed into one field.
 * @throws TransferKitError `corrupt-file` for a field of another kind, or one that ends within a number.
 */
export function* fieldIntegers(message: ProtobufMessage, field: ProtobufField): Generator<bigint, void, void> {
  if (field.wireType !== WireType.Varint) check(message, field, WireType.LengthDelimited, 'whole numbers');
  const reader = new BinaryReader(message.bytes.subarray(field.start, field.end));
  while (reader.pos < reader.len) {
    const place = reader.pos;
    let value: bigint;
    try {
      value = BigInt(reader.int64());
    } catch (error) {
      throw corruptMessage(message, field.start + place, `whole numbers in field ${field.number}`, told(error), error);
    }
    yield value;
  }
}

/** How many whole numbers `fieldIntegers` gives, without reading them: each ends with the one byte that is below 128. */
export function countIntegers(message: ProtobufMessage, field: ProtobufField): number {
  let count = 0;
  for (let place = field.start; place < field.end; place++) if (message.bytes[place]! < 0x80) count++;
  return count;
}
