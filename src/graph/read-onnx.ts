import { unknownName } from '../common/nearest-name.js';
import { entryField, graphField, modelField, operatorSetField, valueField } from './onnx-fields.js';
import type { OnnxTensor } from './onnx-model.js';
import {
  readNode,
  readSparseTensor,
  readTensorEntry,
  type OnnxFileNode,
  type OnnxFileTensor,
  type StoredTensor,
} from './read-onnx-node.js';
import { readOnnxTensor } from './read-onnx-tensor.js';
import { readType, type OnnxFileType } from './read-onnx-type.js';
import {
  corruptMessage,
  fieldInteger,
  fieldText,
  innerMessage,
  protobufFields,
  protobufMessage,
  type ProtobufField,
  type ProtobufMessage,
} from './protobuf-fields.js';
import { startBudget, type ReadingBudget } from './reading-budget.js';

/** A tensor, or another value, that goes in, comes out or passes between nodes. */
export interface OnnxFileValue extends OnnxFileType {
  readonly name: string;
}

/** What an `.onnx` file says of itself. The numbers of its weights stay in the bytes. */
export interface OnnxFile {
  /** Version of the file format; 0 where it is not told. */
  readonly irVersion: number;
  /** The program that wrote the file. */
  readonly producer: string;
  /** The graph's name. */
  readonly name: string;
  /** Version of each set of operators; ONNX's own is the empty name. */
  readonly operatorSets: ReadonlyMap<string, number>;
  readonly metadata: ReadonlyMap<string, string>;
  /** What must be fed. Old files list weights here too; those are left out. */
  readonly inputs: readonly OnnxFileValue[];
  readonly outputs: readonly OnnxFileValue[];
  /** Inner values whose types the file tells. */
  readonly values: readonly OnnxFileValue[];
  readonly nodes: readonly OnnxFileNode[];
  /** Weights and constants by name. */
  readonly initializers: ReadonlyMap<string, OnnxFileTensor>;
  /** Files beside this one that hold weights, as they are named in it: any text, to be checked before it is opened. Most models have none. */
  readonly externalFiles: readonly string[];
  /**
   * The numbers of an initializer; not copied where the file stores them as they are.
   * @throws TransferKitError `unknown-name`; `unsupported` where they are in another file, sparse or of a type that we lack;
   * `corrupt-file` where they do not fit the shape.
   */
  tensor(name: string): OnnxTensor;
}

/**
 * Reads what an ONNX file holds: inputs and outputs, nodes, names and shapes of weights, metadata. Nothing is computed and no number
 * of a weight is touched, so that a large file takes no longer than a small one of as many nodes. The bytes are not trusted.
 * @param bytes - the file. It is kept, not copied.
 * @throws TransferKitError `corrupt-file` with the kind of message and the byte: cut short, a wrong wire type, an endless varint,
 * graphs too deep in each other; `too-large` for more than a million nodes, names and sizes.
 * @source onnx-ml.proto of ONNX 1.23
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 *
 * const file = readOnnx(await readFile('model.onnx'));
 * file.outputs; // [{ name: 'last_hidden_state', type: 'float32', shape: ['batch', 'tokens', 384] }]
 * file.nodes.filter(({ operator }) => operator === 'MatMul').length; // 36
 * ```
 */
export function readOnnx(bytes: Uint8Array): OnnxFile {
  const model = protobufMessage('model', bytes);
  const budget = startBudget();
  const parts = readGraphParts(findGraph(model), budget);
  const { stored, inputs, ...rest } = parts;
  return {
    ...readModelFields(model, budget),
    ...rest,
    inputs: inputs.filter(({ name }) => !stored.has(name)),
    initializers: new Map([...stored].map(([name, { info }]) => [name, info])),
    externalFiles: [...budget.externalFiles],
    tensor: (name) => readStored(name, stored),
  };
}

function readStored(name: string, stored: ReadonlyMap<string, StoredTensor>): OnnxTensor {
  const found = stored.get(name);
  if (found === undefined) throw unknownName('initializer', name, [...stored.keys()]);
  return readOnnxTensor(name, found);
}

/** The one graph of a model. @throws TransferKitError `corrupt-file` for none, or for several. */
function findGraph(model: ProtobufMessage): ProtobufMessage {
  return innerMessage(model, findGraphField(model), 'graph');
}

export function findGraphField(model: ProtobufMessage): ProtobufField {
  const graphs: ProtobufField[] = [];
  for (const field of protobufFields(model)) {
    if (field.number === modelField.graph && graphs.push(field) > 1) break;
  }
  if (graphs.length === 1) return graphs[0]!;
  throw corruptMessage(model, graphs[1]?.head ?? 0, 'one graph', graphs.length === 0 ? `none in ${model.bytes.length} bytes` : 'several');
}

type ModelFields = Pick<OnnxFile, 'irVersion' | 'producer' | 'operatorSets' | 'metadata'>;

function readModelFields(model: ProtobufMessage, budget: ReadingBudget): ModelFields {
  const operatorSets = new Map<string, number>();
  const metadata = new Map<string, string>();
  let [irVersion, producer] = [0, ''];
  for (const field of protobufFields(model)) {
    if (field.number === modelField.irVersion) irVersion = fieldInteger(model, field);
    else if (field.number === modelField.producerName) producer = fieldText(model, field);
    else if (field.number === modelField.operatorSet) {
      operatorSets.set(...readOperatorSet(innerMessage(model, field, 'operator set'), budget));
    } else if (field.number === modelField.metadata) metadata.set(...readEntry(innerMessage(model, field, 'metadata'), budget));
  }
  return { irVersion, producer, operatorSets, metadata };
}

function readOperatorSet(message: ProtobufMessage, budget: ReadingBudget): [domain: string, version: number] {
  budget.spend();
  let [domain, version] = ['', 0];
  for (const field of protobufFields(message)) {
    if (field.number === operatorSetField.domain) domain = fieldText(message, field);
    else if (field.number === operatorSetField.version) version = fieldInteger(message, field);
  }
  // ONNX's own operators have a second, longer name.
  return [domain === 'ai.onnx' ? '' : domain, version];
}

function readEntry(message: ProtobufMessage, budget: ReadingBudget): [key: string, value: string] {
  budget.spend();
  let [key, value] = ['', ''];
  for (const field of protobufFields(message)) {
    if (field.number === entryField.key) key = fieldText(message, field);
    else if (field.number === entryField.value) value = fieldText(message, field);
  }
  return [key, value];
}

interface GraphParts extends Pick<OnnxFile, 'name' | 'outputs' | 'values' | 'nodes'> {
  readonly inputs: readonly OnnxFileValue[];
  readonly stored: ReadonlyMap<string, StoredTensor>;
}

function readGraphParts(graph: ProtobufMessage, budget: ReadingBudget): GraphParts {
  const nodes: OnnxFileNode[] = [];
  const stored = new Map<string, StoredTensor>();
  const lists = { [graphField.input]: [], [graphField.output]: [], [graphField.valueInfo]: [] } as Record<number, OnnxFileValue[]>;
  let name = '';
  for (const field of protobufFields(graph)) {
    const values = lists[field.number];
    if (field.number === graphField.node) nodes.push(readNode(innerMessage(graph, field, 'node'), budget));
    else if (field.number === graphField.name) name = fieldText(graph, field);
    else if (field.number === graphField.initializer) {
      stored.set(...readTensorEntry(innerMessage(graph, field, 'initializer'), budget));
    } else if (field.number === graphField.sparseInitializer) {
      stored.set(...readSparseTensor(innerMessage(graph, field, 'sparse initializer'), budget));
    } else if (values !== undefined) values.push(readValue(innerMessage(graph, field, 'value'), budget));
  }
  const [inputs, outputs, values] = [lists[graphField.input]!, lists[graphField.output]!, lists[graphField.valueInfo]!];
  return { name, nodes, stored, inputs, outputs, values };
}

function readValue(message: ProtobufMessage, budget: ReadingBudget): OnnxFileValue {
  budget.spend();
  let name = '';
  let type: OnnxFileType = { type: undefined, shape: undefined };
  for (const field of protobufFields(message)) {
    if (field.number === valueField.name) name = fieldText(message, field);
    else if (field.number === valueField.type) type = readType(innerMessage(message, field, 'type'), budget);
  }
  return { name, ...type };
}
