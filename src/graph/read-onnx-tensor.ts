import { TransferKitError } from '../errors.js';
import { onnxTypeBytes, tensorField } from './onnx-fields.js';
import type { OnnxTensor, OnnxType } from './onnx-model.js';
import {
  corruptMessage,
  countIntegers,
  fieldBytes,
  fieldIntegers,
  protobufFields,
  type ProtobufField,
  type ProtobufMessage,
} from './protobuf-fields.js';
import type { StoredTensor } from './read-onnx-node.js';

type NumberType = keyof typeof onnxTypeBytes;

/** Types whose numbers may be stored as varints, and in which field. */
const varintField: Readonly<Record<NumberType, number | undefined>> = {
  int8: tensorField.int32s,
  uint8: tensorField.int32s,
  int16: tensorField.int32s,
  uint16: tensorField.int32s,
  int32: tensorField.int32s,
  bool: tensorField.int32s,
  float16: tensorField.int32s,
  int64: tensorField.int64s,
  uint32: tensorField.uint64s,
  uint64: tensorField.uint64s,
  float32: undefined,
  float64: undefined,
};

/** Types whose numbers may be stored as they are in memory, but in a field of their own. */
const fixedField: Partial<Record<NumberType, number>> = { float32: tensorField.floats, float64: tensorField.doubles };

/**
 * The numbers of a tensor. ONNX knows two ways to store them: raw, which is given without a copy, or as a list of the type's own field.
 * @throws TransferKitError `unsupported` for numbers in another file, sparse ones and types that we lack; `corrupt-file` where they do
 * not fit the shape.
 */
export function readOnnxTensor(name: string, { info, message }: StoredTensor): OnnxTensor {
  const { shape, stored, type } = info;
  if (stored !== 'inside' || !isNumberType(type)) throw unreadable(name, stored === 'inside' ? (type ?? 'no type') : stored);
  const elements = shape.reduce((product, size) => product * size, 1);
  const bytes = storedBytes(message, type, elements * onnxTypeBytes[type]);
  return { type, shape, bytes };
}

function isNumberType(type: string | undefined): type is Exclude<OnnxType, 'string'> {
  return type !== undefined && Object.hasOwn(onnxTypeBytes, type);
}

function unreadable(name: string, received: string): TransferKitError {
  const told = received === 'outside' ? 'numbers that are in another file' : received === 'sparse' ? 'a sparse tensor' : received;
  return new TransferKitError(
    'unsupported',
    `the initializer ${JSON.stringify(name.slice(0, 200))} cannot be read.\n  expected: numbers inside the file, of ${Object.keys(onnxTypeBytes).join(', ')}\n` +
      `  received: ${told}\n  Fix: export the model with its weights inside, in float32.`,
    { details: { tensor: name, received } },
  );
}

function storedBytes(message: ProtobufMessage, type: NumberType, size: number): Uint8Array {
  let [raw, listed]: [Uint8Array | undefined, number] = [undefined, 0];
  for (const field of protobufFields(message)) {
    if (field.number === tensorField.raw) raw = fieldBytes(message, field);
    else listed += listedSize(message, field, type);
  }
  // Compared before anything is allocated: a shape may claim what it likes.
  const received = raw?.length ?? listed;
  if (received !== size) throw corruptMessage(message, 0, `${size} bytes of ${type} for the tensor's shape`, `${received} bytes`);
  return raw ?? listedBytes(message, type, size);
}

/** Bytes that the numbers of one field take in memory; 0 for a field of something else. */
function listedSize(message: ProtobufMessage, field: ProtobufField, type: NumberType): number {
  if (field.number === varintField[type]) return countIntegers(message, field) * onnxTypeBytes[type];
  return field.number === fixedField[type] ? field.end - field.start : 0;
}

function listedBytes(message: ProtobufMessage, type: NumberType, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const field of protobufFields(message)) {
    if (field.number === varintField[type]) narrow(message, field, bytes.subarray(offset), onnxTypeBytes[type]);
    // Packed or one by one, these bytes are the same as in memory.
    else if (field.number === fixedField[type]) bytes.set(message.bytes.subarray(field.start, field.end), offset);
    offset += listedSize(message, field, type);
  }
  return bytes;
}

/** Writes each number's lowest bytes, little-endian. */
function narrow(message: ProtobufMessage, field: ProtobufField, bytes: Uint8Array, width: number): void {
  const wide = new DataView(new ArrayBuffer(8));
  const lowest = new Uint8Array(wide.buffer, 0, width);
  let offset = 0;
  for (const value of fieldIntegers(message, field)) {
    wide.setBigInt64(0, value, true);
    bytes.set(lowest, offset);
    offset += width;
  }
}
