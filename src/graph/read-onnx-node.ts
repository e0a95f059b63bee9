import {
  attributeField,
  entryField,
  externalLocation,
  graphField,
  nodeField,
  sparseTensorField,
  tensorField,
  valueField,
} from './onnx-fields.js';
import { elementName } from './read-onnx-type.js';
import {
  corruptMessage,
  fieldInteger,
  fieldIntegers,
  fieldText,
  innerMessage,
  protobufFields,
  type ProtobufField,
  type ProtobufMessage,
} from './protobuf-fields.js';
import type { ReadingBudget } from './reading-budget.js';

/** One operation of a graph. */
export interface OnnxFileNode {
  /** Often empty. */
  readonly name: string;
  readonly operator: string;
  /** Empty for ONNX's own operators. */
  readonly domain: string;
  /** Names of values; an empty one stands for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What the graphs inside this node, branches and bodies of loops, take from outside beside the inputs. */
  readonly captured: readonly string[];
}

/** A weight or constant without its numbers. */
export interface OnnxFileTensor {
  /** `float32`, `int4`, ...; undefined where it is not told. */
  readonly type: string | undefined;
  readonly shape: readonly number[];
  /** Where the numbers are: in this file, in another one, or in this one as a list of those that are not zero. */
  readonly stored: 'inside' | 'outside' | 'sparse';
}

/** A tensor, and the message that holds its numbers. */
export interface StoredTensor {
  readonly info: OnnxFileTensor;
  readonly message: ProtobufMessage;
}

/** Deepest nesting of graphs. Protobuf's own readers stop at 100 messages, which is 33 graphs. */
const maxGraphDepth = 32;

/** Reads a node. @throws TransferKitError `corrupt-file`, `too-large`. */
export function readNode(message: ProtobufMessage, budget: ReadingBudget, depth = 1): OnnxFileNode {
  budget.spend();
  const inputs: string[] = [];
  const outputs: string[] = [];
  const captured: string[] = [];
  let [name, operator, domain] = ['', '', ''];
  for (const field of protobufFields(message)) {
    if (field.number === nodeField.input) inputs.push(countedText(message, field, budget));
    else if (field.number === nodeField.output) outputs.push(countedText(message, field, budget));
    else if (field.number === nodeField.name) name = fieldText(message, field);
    else if (field.number === nodeField.operator) operator = fieldText(message, field);
    else if (field.number === nodeField.domain) domain = fieldText(message, field);
    else if (field.number === nodeField.attribute) {
      for (const taken of readAttribute(innerMessage(message, field, 'attribute'), budget, depth)) captured.push(taken);
    }
  }
  return { name, operator, domain: domain === 'ai.onnx' ? '' : domain, inputs, outputs, captured: [...new Set(captured)] };
}

function countedText(message: ProtobufMessage, field: ProtobufField, budget: ReadingBudget): string {
  budget.spend();
  return fieldText(message, field);
}

/** Follows an attribute into the graphs and tensors it holds; gives the names that its graphs take from outside. */
function readAttribute(message: ProtobufMessage, budget: ReadingBudget, depth: number): string[] {
  const captured: string[] = [];
  for (const field of protobufFields(message)) {
    if (field.number === attributeField.graph || field.number === attributeField.graphs) {
      for (const name of readInnerGraph(innerMessage(message, field, 'graph'), budget, depth + 1)) captured.push(name);
    } else readAttributeTensor(message, field, budget);
  }
  return captured;
}

function readAttributeTensor(message: ProtobufMessage, field: ProtobufField, budget: ReadingBudget): void {
  if (field.number === attributeField.tensor || field.number === attributeField.tensors) {
    readTensorEntry(innerMessage(message, field, 'tensor'), budget);
  } else if (field.number === attributeField.sparseTensor || field.number === attributeField.sparseTensors) {
    readSparseTensor(innerMessage(message, field, 'sparse tensor'), budget);
  }
}

/** The names that a graph inside a node uses and does not define. */
function readInnerGraph(graph: ProtobufMessage, budget: ReadingBudget, depth: number): string[] {
  if (depth > maxGraphDepth) throw corruptMessage(graph, 0, `at most ${maxGraphDepth} graphs inside each other`, 'more');
  const defined = new Set<string>();
  const used = new Set<string>();
  for (const field of protobufFields(graph)) readInnerField(graph, field, { defined, used, budget, depth });
  return [...used].filter((name) => name !== '' && !defined.has(name));
}

interface InnerGraph {
  readonly defined: Set<string>;
  readonly used: Set<string>;
  readonly budget: ReadingBudget;
  readonly depth: number;
}

function readInnerField(graph: ProtobufMessage, field: ProtobufField, { defined, used, budget, depth }: InnerGraph): void {
  const open = (kind: string) => innerMessage(graph, field, kind);
  if (field.number === graphField.node) {
    const node = readNode(open('node'), budget, depth);
    for (const name of [...node.inputs, ...node.captured]) used.add(name);
    for (const name of node.outputs) defined.add(name);
  } else if (field.number === graphField.initializer) defined.add(readTensorEntry(open('initializer'), budget)[0]);
  else if (field.number === graphField.sparseInitializer) defined.add(readSparseTensor(open('sparse initializer'), budget)[0]);
  else if (field.number === graphField.input) defined.add(countedName(open('value'), budget));
  else if (field.number === graphField.output) used.add(countedName(open('value'), budget));
}

function countedName(value: ProtobufMessage, budget: ReadingBudget): string {
  budget.spend();
  return readValueName(value);
}

/** The name of a value, and nothing else of it. */
export function readValueName(message: ProtobufMessage): string {
  let name = '';
  for (const field of protobufFields(message)) if (field.number === valueField.name) name = fieldText(message, field);
  return name;
}

/** Reads a tensor's name, type and shape, and notes the file that holds its numbers where that is another one. */
export function readTensorEntry(message: ProtobufMessage, budget: ReadingBudget): [name: string, stored: StoredTensor] {
  budget.spend();
  const shape: number[] = [];
  let [name, number, isOutside] = ['', 0, false];
  for (const field of protobufFields(message)) {
    if (field.number === tensorField.shape) pushSizes(shape, message, field, budget);
    else if (field.number === tensorField.type) number = fieldInteger(message, field);
    else if (field.number === tensorField.name) name = fieldText(message, field);
    else if (field.number === tensorField.location) isOutside = fieldInteger(message, field) === externalLocation;
    else if (field.number === tensorField.external) noteFile(innerMessage(message, field, 'external data'), budget);
  }
  return [name, { info: { type: elementName(number), shape, stored: isOutside ? 'outside' : 'inside' }, message }];
}

function pushSizes(shape: number[], message: ProtobufMessage, field: ProtobufField, budget: ReadingBudget): void {
  for (const size of fieldIntegers(message, field)) {
    budget.spend();
    if (size < 0n) throw corruptMessage(message, field.head, 'sizes of a tensor', String(size));
    shape.push(Number(size));
  }
}

function noteFile(message: ProtobufMessage, budget: ReadingBudget): void {
  let [key, value] = ['', ''];
  for (const field of protobufFields(message)) {
    if (field.number === entryField.key) key = fieldText(message, field);
    else if (field.number === entryField.value) value = fieldText(message, field);
  }
  if (key !== 'location' || budget.externalFiles.has(value)) return;
  budget.spend();
  budget.externalFiles.add(value);
}

/** Reads a sparse tensor's name, which is that of its values, its type and its shape. */
export function readSparseTensor(message: ProtobufMessage, budget: ReadingBudget): [name: string, stored: StoredTensor] {
  const shape: number[] = [];
  let [name, type]: [string, string | undefined] = ['', undefined];
  for (const field of protobufFields(message)) {
    if (field.number === sparseTensorField.shape) pushSizes(shape, message, field, budget);
    else if (field.number === sparseTensorField.indices) readTensorEntry(innerMessage(message, field, 'tensor'), budget);
    else if (field.number === sparseTensorField.values) {
      const [found, values] = readTensorEntry(innerMessage(message, field, 'tensor'), budget);
      [name, type] = [found, values.info.type];
    }
  }
  return [name, { info: { type, shape, stored: 'sparse' }, message }];
}
