import { elementTypeName, shapeField, sizeField, tensorTypeField, typeField } from './onnx-fields.js';
import { fieldInteger, fieldText, innerMessage, protobufFields, type ProtobufMessage } from './protobuf-fields.js';
import type { ReadingBudget } from './reading-budget.js';

/** A size, the name of a free one, or null where neither is told. */
export type OnnxFileSize = number | string | null;

/** The type of a value, as far as the file tells it. */
export interface OnnxFileType {
  /** `float32`, `int64`, ...; `sequence`, `map`, `optional`, `sparse` or `opaque` for what is not a tensor; undefined where nothing is told. */
  readonly type: string | undefined;
  /** Of tensors; undefined where not even the number of dimensions is told. */
  readonly shape: readonly OnnxFileSize[] | undefined;
}

const otherKinds: ReadonlyMap<number, string> = new Map([
  [typeField.sequence, 'sequence'],
  [typeField.map, 'map'],
  [typeField.opaque, 'opaque'],
  [typeField.sparseTensor, 'sparse'],
  [typeField.optional, 'optional'],
]);

/** Reads a type. What is not a tensor is told by its kind alone, so that types inside types are not followed. */
export function readType(message: ProtobufMessage, budget: ReadingBudget): OnnxFileType {
  let type: OnnxFileType = { type: undefined, shape: undefined };
  for (const field of protobufFields(message)) {
    const other = otherKinds.get(field.number);
    if (other !== undefined) type = { type: other, shape: undefined };
    else if (field.number === typeField.tensor) type = readTensorType(innerMessage(message, field, 'tensor type'), budget);
  }
  return type;
}

function readTensorType(message: ProtobufMessage, budget: ReadingBudget): OnnxFileType {
  let type: string | undefined;
  let shape: OnnxFileSize[] | undefined;
  for (const field of protobufFields(message)) {
    if (field.number === tensorTypeField.element) type = elementName(fieldInteger(message, field));
    else if (field.number === tensorTypeField.shape) shape = readShape(innerMessage(message, field, 'shape'), budget);
  }
  return { type, shape };
}

/** The name of an element type; undefined for 0, which says that nothing is told. */
export function elementName(number: number): string | undefined {
  return number === 0 ? undefined : (elementTypeName.get(number) ?? `type ${number}`);
}

function readShape(message: ProtobufMessage, budget: ReadingBudget): OnnxFileSize[] {
  const shape: OnnxFileSize[] = [];
  for (const field of protobufFields(message)) {
    if (field.number !== shapeField.size) continue;
    budget.spend();
    shape.push(readSize(innerMessage(message, field, 'size')));
  }
  return shape;
}

function readSize(message: ProtobufMessage): OnnxFileSize {
  let size: OnnxFileSize = null;
  for (const field of protobufFields(message)) {
    if (field.number === sizeField.name) size = fieldText(message, field);
    else if (field.number === sizeField.value) size = fieldInteger(message, field);
  }
  // Some exporters write -1, or an empty name, for a size that they do not know.
  return size === '' || (typeof size === 'number' && size < 0) ? null : size;
}
