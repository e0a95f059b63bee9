import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { unknownName } from '../common/nearest-name.js';
import { TransferKitError } from '../errors.js';
import { annotationField, entryField, graphField, modelField, valueField } from './onnx-fields.js';
import { fieldText, innerMessage, protobufFields, protobufMessage, type ProtobufField, type ProtobufMessage } from './protobuf-fields.js';
import { concatenated } from './concatenated.js';
import { findGraphField } from './read-onnx.js';
import { readNode, readSparseTensor, readTensorEntry, readValueName } from './read-onnx-node.js';
import { startBudget, type ReadingBudget } from './reading-budget.js';

/**
 * The same model, ending at other tensors: the features of a network instead of its classes. Nodes and weights that the new outputs
 * do not need are left out; all else is kept byte for byte and in its order, what we do not know of as well. Inputs are kept, so that
 * the model is fed as before.
 *
 * An inner tensor becomes an output with the type that the file tells of it. Where it tells none, the output has a name alone, which
 * ONNX Runtime completes by itself.
 * @param bytes - the file, not trusted.
 * @param outputs - names of values: of the graph's outputs or between its nodes.
 * @throws TransferKitError `unknown-name` with the nearest names; `bad-option` for no outputs or one twice; `corrupt-file` and
 * `too-large` as `readOnnx`.
 * @example
 * ```ts
 * import { readFile } from 'node:fs/promises';
 *
 * const features = cutOnnx(await readFile('resnet-50.onnx'), ['/pooler/GlobalAveragePool_output_0']);
 * readOnnx(features).outputs; // [{ name: '/pooler/GlobalAveragePool_output_0', ... }]
 * ```
 */
export function cutOnnx(bytes: Uint8Array, outputs: readonly string[]): Uint8Array {
  checkOutputs(outputs);
  const model = protobufMessage('model', bytes);
  const field = findGraphField(model);
  const graph = innerMessage(model, field, 'graph');
  const pieces = piecesOfGraph(graph, outputs);
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const head = new BinaryWriter().tag(modelField.graph, WireType.LengthDelimited).uint32(size).finish();
  return concatenated([bytes.subarray(0, field.head), head, ...pieces, bytes.subarray(field.end)]);
}

function checkOutputs(outputs: readonly string[]): void {
  if (outputs.length > 0 && new Set(outputs).size === outputs.length) return;
  throw new TransferKitError(
    'bad-option',
    `an ONNX model cannot be cut there.\n  expected: outputs, one or more names, each once\n  received: ${JSON.stringify(outputs)}\n` +
      '  Fix: name the tensors that the model shall end at.',
    { details: { outputs } },
  );
}

/** One field of a graph: the values it is about, and those that it needs. */
interface Part {
  readonly field: ProtobufField;
  readonly names: readonly string[];
  readonly needs: readonly string[];
}

function piecesOfGraph(graph: ProtobufMessage, outputs: readonly string[]): Uint8Array[] {
  const parts = readParts(graph);
  checkNames(parts, outputs);
  const isKept = chooseParts(parts, outputs);
  const ending = outputs.map((name) => writeOutput(graph, parts, name));
  const firstOutput = parts.find(({ field }) => field.number === graphField.output);
  const pieces: Uint8Array[] = firstOutput === undefined ? [...ending] : [];
  for (const part of parts) {
    if (part === firstOutput) pieces.push(...ending);
    if (isKept(part)) pieces.push(graph.bytes.subarray(part.field.head, part.field.end));
  }
  return pieces;
}

function readParts(graph: ProtobufMessage): Part[] {
  const budget = startBudget();
  const parts: Part[] = [];
  for (const field of protobufFields(graph)) {
    budget.spend();
    parts.push(readPart(graph, field, budget));
  }
  return parts;
}

function readPart(graph: ProtobufMessage, field: ProtobufField, budget: ReadingBudget): Part {
  const open = (kind: string) => innerMessage(graph, field, kind);
  switch (field.number) {
    case graphField.node: {
      const { inputs, outputs, captured } = readNode(open('node'), budget);
      return { field, names: outputs, needs: [...inputs, ...captured] };
    }
    case graphField.initializer:
      return { field, names: [readTensorEntry(open('initializer'), budget)[0]], needs: [] };
    case graphField.sparseInitializer:
      return { field, names: [readSparseTensor(open('sparse initializer'), budget)[0]], needs: [] };
    case graphField.quantization:
      return { field, ...readAnnotation(open('annotation'), budget) };
    case graphField.input:
    case graphField.output:
    case graphField.valueInfo:
      return { field, names: [readValueName(open('value'))], needs: [] };
    default:
      return { field, names: [], needs: [] };
  }
}

/** Which tensors hold the scale and the zero point of another one. */
function readAnnotation(message: ProtobufMessage, budget: ReadingBudget): Pick<Part, 'names' | 'needs'> {
  const names: string[] = [];
  const needs: string[] = [];
  for (const field of protobufFields(message)) {
    budget.spend();
    if (field.number === annotationField.tensor) names.push(fieldText(message, field));
    else if (field.number === annotationField.parameters) needs.push(readEntryValue(innerMessage(message, field, 'entry')));
  }
  return { names, needs };
}

function readEntryValue(message: ProtobufMessage): string {
  let value = '';
  for (const field of protobufFields(message)) if (field.number === entryField.value) value = fieldText(message, field);
  return value;
}

const definers: ReadonlySet<number> = new Set([graphField.node, graphField.initializer, graphField.sparseInitializer]);
const stores: ReadonlySet<number> = new Set([graphField.initializer, graphField.sparseInitializer]);

function checkNames(parts: readonly Part[], outputs: readonly string[]): void {
  const defining = parts.filter(({ field }) => definers.has(field.number) || field.number === graphField.input);
  const known = new Set(defining.flatMap(({ names }) => names).filter((name) => name !== ''));
  const unknown = outputs.find((name) => !known.has(name));
  if (unknown !== undefined) throw unknownName('tensor in this ONNX model', unknown, [...known]);
}

/** Follows the new outputs back through the graph; tells which fields stay. */
function chooseParts(parts: readonly Part[], outputs: readonly string[]): (part: Part) => boolean {
  const needed = neededParts(parts, outputs);
  const dropped = parts.filter((part) => definers.has(part.field.number) && !needed.has(part));
  const gone = new Set(dropped.flatMap(({ names }) => names));
  // Old files list weights among the inputs; without the weight, such an input would have to be fed.
  const goneWeights = new Set(dropped.filter(({ field }) => stores.has(field.number)).flatMap(({ names }) => names));
  const described = new Set([...gone, ...outputs]);
  return (part) => {
    const { number } = part.field;
    if (definers.has(number) || number === graphField.quantization) return needed.has(part);
    if (number === graphField.input) return !goneWeights.has(part.names[0]!);
    if (number === graphField.valueInfo) return !described.has(part.names[0]!);
    return number !== graphField.output;
  };
}

function neededParts(parts: readonly Part[], outputs: readonly string[]): Set<Part> {
  const byName = partsByName(parts);
  const needed = new Set<Part>();
  const seen = new Set<string>(['']);
  const open = [...outputs];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const part of byName.get(name) ?? []) {
      if (!needed.has(part)) for (const need of part.needs) open.push(need);
      needed.add(part);
    }
  }
  return needed;
}

/** Nodes, weights and annotations by the values they are about. */
function partsByName(parts: readonly Part[]): Map<string, Part[]> {
  const byName = new Map<string, Part[]>();
  for (const part of parts) {
    if (!definers.has(part.field.number) && part.field.number !== graphField.quantization) continue;
    for (const name of part.names) {
      const list = byName.get(name);
      if (list === undefined) byName.set(name, [part]);
      else list.push(part);
    }
  }
  return byName;
}

/** A value as an output of the graph: as the file describes it where it does, else by its name alone. */
function writeOutput(graph: ProtobufMessage, parts: readonly Part[], name: string): Uint8Array {
  const places: readonly number[] = [graphField.output, graphField.valueInfo, graphField.input];
  const found = places
    .map((number) => parts.find((part) => part.field.number === number && part.names[0] === name))
    .find((part) => part !== undefined);
  if (found?.field.number === graphField.output) return graph.bytes.subarray(found.field.head, found.field.end);
  const writer = new BinaryWriter().tag(graphField.output, WireType.LengthDelimited);
  if (found !== undefined) return writer.bytes(graph.bytes.subarray(found.field.start, found.field.end)).finish();
  return writer.fork().tag(valueField.name, WireType.LengthDelimited).string(name).join().finish();
}
