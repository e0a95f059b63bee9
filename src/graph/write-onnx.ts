import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { TransferKitError } from '../errors.js';
import { version } from '../saving/version.js';
import { concatenated } from './concatenated.js';
import {
  attributeField,
  attributeType,
  entryField,
  graphField,
  irVersionOf,
  maxOnnxBytes,
  modelField,
  nodeField,
  onnxTypeBytes,
  onnxTypeNumber,
  operatorSetField,
  shapeField,
  sizeField,
  tensorField,
  tensorTypeField,
  typeField,
  valueField,
} from './onnx-fields.js';
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from './onnx-model.js';

/**
 * A model as the bytes of an `.onnx` file, weights inside. Same model, same bytes: what has no order of its own is sorted, and nodes
 * and constants stay as they come.
 *
 * The weights are copied once, into the file: all else is written first, so that every length is known.
 * @throws TransferKitError `bad-input` where a constant does not fit its shape, an attribute cannot be stored or the version of a set
 * of operators is missing; `unsupported` for constants of strings; `too-large` over 2 GB, which protobuf cannot express.
 * @source onnx-ml.proto of ONNX 1.23
 * @example
 * ```ts
 * const bytes = writeOnnx({
 *   name: 'double',
 *   nodes: [{ operator: 'Add', inputs: ['x', 'x'], outputs: ['y'], attributes: {} }],
 *   constants: new Map(),
 *   inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
 *   outputs: [{ name: 'y', type: 'float32', shape: ['batch', 2] }],
 *   operatorSets: { '': 20 },
 *   metadata: {},
 * });
 * ```
 */
export function writeOnnx(model: OnnxModel): Uint8Array {
  for (const node of model.nodes) checkDomain(node, model);
  const graph = graphPieces(model);
  const graphBytes = byteCount(graph);
  if (graphBytes > maxOnnxBytes) throw tooLarge(graphBytes);
  const pieces = [modelStart(model, graphBytes), ...graph, modelEnd(model)];
  const size = byteCount(pieces);
  if (size > maxOnnxBytes) throw tooLarge(size);
  return concatenated(pieces);
}

function byteCount(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

function tooLarge(size: number): TransferKitError {
  return new TransferKitError(
    'too-large',
    `an ONNX file cannot hold this model.\n  expected: at most ${maxOnnxBytes} bytes, the limit of protobuf\n  received: ${size} bytes\n` +
      '  Fix: store the weights as float16 or int8.',
    { details: { size, limit: maxOnnxBytes } },
  );
}

function checkDomain({ operator, domain = '' }: OnnxNode, { operatorSets }: OnnxModel): void {
  if (Number.isSafeInteger(operatorSets[domain])) return;
  throw new TransferKitError(
    'bad-input',
    `a node of the graph is of a set of operators whose version is not told.\n  expected: operatorSets to name the version of ` +
      `${JSON.stringify(domain)}, because of ${operator}\n  received: ${JSON.stringify(operatorSets)}\n  Fix: add it to operatorSets.`,
    { details: { operator, domain } },
  );
}

function modelStart({ operatorSets }: OnnxModel, graphBytes: number): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(modelField.irVersion, WireType.Varint).int64(irVersionOf(operatorSets[''] ?? 1));
  writeText(writer, modelField.producerName, 'transferkit');
  writeText(writer, modelField.producerVersion, version);
  return writer.tag(modelField.graph, WireType.LengthDelimited).uint32(graphBytes).finish();
}

function modelEnd({ operatorSets, metadata }: OnnxModel): Uint8Array {
  const writer = new BinaryWriter();
  for (const [domain, number] of sorted(operatorSets)) {
    open(writer, modelField.operatorSet);
    writeText(writer, operatorSetField.domain, domain);
    writer.tag(operatorSetField.version, WireType.Varint).int64(number).join();
  }
  for (const [key, text] of sorted(metadata)) {
    open(writer, modelField.metadata);
    writeText(writer, entryField.key, key);
    writeText(writer, entryField.value, text);
    writer.join();
  }
  return writer.finish();
}

/** The graph in pieces: constants stay where they are until all is put together. */
function graphPieces({ name, nodes, constants, inputs, outputs }: OnnxModel): Uint8Array[] {
  const start = new BinaryWriter();
  for (const node of nodes) writeNode(start, node);
  writeText(start, graphField.name, name);
  const end = new BinaryWriter();
  for (const value of inputs) writeValue(end, graphField.input, value);
  for (const value of outputs) writeValue(end, graphField.output, value);
  return [start.finish(), ...[...constants].flatMap(([key, tensor]) => constantPieces(key, tensor)), end.finish()];
}

function constantPieces(name: string, tensor: OnnxTensor): [head: Uint8Array, numbers: Uint8Array] {
  const inner = tensorStart(tensor, `constant ${JSON.stringify(name)}`, name);
  const size = inner.length + tensor.bytes.length;
  if (size > maxOnnxBytes) throw tooLarge(size);
  const head = new BinaryWriter().tag(graphField.initializer, WireType.LengthDelimited).uint32(size).raw(inner);
  return [head.finish(), tensor.bytes];
}

/** A tensor message up to its numbers, which are its last field. Tensors in attributes have no name. */
function tensorStart(tensor: OnnxTensor, where: string, name?: string): Uint8Array {
  checkTensor(tensor, where);
  if (tensor.bytes.length > maxOnnxBytes) throw tooLarge(tensor.bytes.length);
  const writer = new BinaryWriter();
  for (const size of tensor.shape) writer.tag(tensorField.shape, WireType.Varint).int64(size);
  writer.tag(tensorField.type, WireType.Varint).int32(onnxTypeNumber[tensor.type]);
  if (name !== undefined) writeText(writer, tensorField.name, name);
  return writer.tag(tensorField.raw, WireType.LengthDelimited).uint32(tensor.bytes.length).finish();
}

function checkTensor({ type, shape, bytes }: OnnxTensor, where: string): void {
  if (type === 'string') {
    throw new TransferKitError(
      'unsupported',
      `${where} cannot be written to ONNX.\n  expected: numbers\n  received: strings\n  Fix: keep strings in the metadata.`,
      { details: { where } },
    );
  }
  const isShape = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  const expected = shape.reduce((product, size) => product * size, onnxTypeBytes[type]);
  if (isShape && expected === bytes.length) return;
  throw new TransferKitError(
    'bad-input',
    `${where} cannot be written to ONNX.\n  expected: whole sizes, and ${expected} bytes for ${type} [${shape.join(',')}]\n` +
      `  received: ${bytes.length} bytes\n  Fix: give bytes and shape of the same tensor.`,
    { details: { where, type, shape, received: bytes.length } },
  );
}

/** A node is named after its first result, so that errors and profiles of ONNX Runtime say which one they mean. */
function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  open(writer, graphField.node);
  for (const name of node.inputs) writeText(writer, nodeField.input, name);
  for (const name of node.outputs) writeText(writer, nodeField.output, name);
  writeText(writer, nodeField.name, node.outputs.find((name) => name !== '') ?? '');
  writeText(writer, nodeField.operator, node.operator);
  for (const [name, attribute] of sorted(node.attributes)) writeAttribute(writer, name, attribute, node);
  if (node.domain !== undefined && node.domain !== '') writeText(writer, nodeField.domain, node.domain);
  writer.join();
}

function writeAttribute(writer: BinaryWriter, name: string, attribute: OnnxAttribute, { operator }: OnnxNode): void {
  const where = `attribute ${name} of ${operator}`;
  open(writer, nodeField.attribute);
  writeText(writer, attributeField.name, name);
  const type = writeSetting(writer, attribute, where);
  writer.tag(attributeField.type, WireType.Varint).int32(type).join();
}

/** Writes what an attribute says; gives the number of its type, which stands after it. */
function writeSetting(writer: BinaryWriter, attribute: OnnxAttribute, where: string): number {
  if ('int' in attribute) {
    writeInteger(writer, attributeField.int, attribute.int, where);
    return attributeType.int;
  }
  if ('float' in attribute) {
    writeFloat(writer, attributeField.float, attribute.float, where);
    return attributeType.float;
  }
  if ('text' in attribute) {
    writeText(writer, attributeField.text, attribute.text);
    return attributeType.text;
  }
  if ('ints' in attribute) {
    for (const value of attribute.ints) writeInteger(writer, attributeField.ints, value, where);
    return attributeType.ints;
  }
  if ('floats' in attribute) {
    for (const value of attribute.floats) writeFloat(writer, attributeField.floats, value, where);
    return attributeType.floats;
  }
  const start = tensorStart(attribute.tensor, where);
  open(writer, attributeField.tensor).raw(start).raw(attribute.tensor.bytes).join();
  return attributeType.tensor;
}

function writeInteger(writer: BinaryWriter, field: number, value: number, where: string): void {
  if (!Number.isSafeInteger(value)) throw badNumber(where, 'a whole number', value);
  writer.tag(field, WireType.Varint).int64(value);
}

function writeFloat(writer: BinaryWriter, field: number, value: number, where: string): void {
  const isTooLarge = Number.isFinite(value) && !Number.isFinite(Math.fround(value));
  if (typeof value !== 'number' || isTooLarge) throw badNumber(where, 'a number within float32', value);
  writer.tag(field, WireType.Bit32).float(value);
}

function badNumber(where: string, expected: string, received: unknown): TransferKitError {
  return new TransferKitError(
    'bad-input',
    `${where} cannot be written to ONNX.\n  expected: ${expected}\n  received: ${String(received)}\n  Fix: correct the graph.`,
    { details: { where, received } },
  );
}

function writeValue(writer: BinaryWriter, field: number, { name, type, shape }: OnnxValue): void {
  open(writer, field);
  writeText(writer, valueField.name, name);
  open(open(writer, valueField.type), typeField.tensor);
  writer.tag(tensorTypeField.element, WireType.Varint).int32(onnxTypeNumber[type]);
  open(writer, tensorTypeField.shape);
  for (const size of shape) {
    open(writer, shapeField.size);
    if (typeof size === 'string') writeText(writer, sizeField.name, size);
    else writeSize(writer, size, name);
    writer.join();
  }
  writer.join().join().join().join();
}

function writeSize(writer: BinaryWriter, size: number, name: string): void {
  if (size < 0) throw badNumber(`the shape of ${JSON.stringify(name)}`, 'a size, or the name of a free one', size);
  writeInteger(writer, sizeField.value, size, `the shape of ${JSON.stringify(name)}`);
}

function open(writer: BinaryWriter, field: number): BinaryWriter {
  return writer.tag(field, WireType.LengthDelimited).fork();
}

function writeText(writer: BinaryWriter, field: number, text: string): void {
  writer.tag(field, WireType.LengthDelimited).string(text);
}

/** By name, in the order of their UTF-16 units. */
function sorted<T>(record: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));
}
