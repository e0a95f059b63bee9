import type { JsonObject, JsonValue } from '../../common/json.js';
import { unknownName } from '../../common/nearest-name.js';
import type { OnnxFileNode } from '../../graph/read-onnx-node.js';
import type { OnnxFile, OnnxFileValue } from '../../graph/read-onnx.js';
import { badGraph, settingText, type GraphOutputKind } from './graph-config.js';
import { outputTypes } from './graph-values.js';

/** What a family takes of a graph. */
export interface OutputHabits {
  /** Names of outputs that serve, the best first. */
  readonly names: readonly string[];
  readonly kinds: readonly GraphOutputKind[];
  /** Where the channels of a map are. */
  readonly channels: 'first' | 'last';
}

/** A tensor of a graph that gives features. */
export interface GraphOutput {
  readonly output: string;
  readonly kind: GraphOutputKind;
  readonly features: number;
}

const kindsByRank: Readonly<Record<number, GraphOutputKind>> = { 2: 'pooled', 3: 'sequence', 4: 'map' };

/** Operations in front of a classifier. */
const summaries = ['GlobalAveragePool', 'ReduceMean', 'Flatten', 'Squeeze', 'LayerNormalization'];

/** Inner tensors near the output that may be features: what classifiers take, and what reduces a map. */
function likelyTensors({ nodes }: OnnxFile): string[] {
  const names = nodes.flatMap(({ operator, inputs, outputs }) =>
    operator === 'Gemm' ? [inputs[0]!] : summaries.includes(operator) ? [outputs[0]!] : [],
  );
  return [...new Set(names)].filter((name) => name !== '').slice(-8);
}

const show = ({ name, shape }: Pick<OnnxFileValue, 'name' | 'shape'>): string =>
  shape === undefined ? name : `${name} [${shape.map((size) => size ?? '?').join(', ')}]`;

/** The tensor that was asked for, or the best that has a usual name. */
function chooseName(where: string, file: OnnxFile, asked: string | undefined, { names }: OutputHabits): string {
  const outputs = file.outputs.map(({ name }) => name);
  if (asked === undefined) {
    const found = names.find((name) => outputs.includes(name));
    if (found !== undefined) return found;
    const inner = likelyTensors(file);
    throw badGraph(
      `${where} has no output that is known to be features`,
      `one of ${names.join(', ')}`,
      `${file.outputs.map(show).join(', ')}${inner.length === 0 ? '' : `; inner tensors that may serve: ${inner.join(', ')}`}`,
      "name the tensor that is meant: config: { output: '...' }; any tensor of the graph will do, and what is behind it is left out.",
    );
  }
  const known = [...outputs, ...file.nodes.flatMap((node) => node.outputs)].filter((name) => name !== '');
  if (!known.includes(asked)) throw unknownName(`tensor in ${where}`, asked, [...new Set(known)]);
  return asked;
}

/** Numbers in a row of what a dense layer takes. Its attributes are not read, but the bias tells which side of the kernel is behind it. */
function widthInto({ inputs: [, kernel, bias] }: OnnxFileNode, { initializers }: OnnxFile): number | undefined {
  const [rows, columns] = initializers.get(kernel ?? '')?.shape ?? [];
  const outputs = initializers.get(bias ?? '')?.shape[0];
  return outputs === undefined ? undefined : outputs === rows ? columns : rows;
}

/** What the file says of a tensor's shape, or what the dense layer behind it needs. */
function describe(name: string, file: OnnxFile): Pick<OnnxFileValue, 'type' | 'shape'> {
  const told = [...file.outputs, ...file.values].find((value) => value.name === name);
  if (told?.shape !== undefined) return told;
  const dense = file.nodes.find(({ operator, inputs }) => operator === 'Gemm' && inputs[0] === name);
  const width = dense && widthInto(dense, file);
  return { type: told?.type, shape: width === undefined ? undefined : [null, width] };
}

function kindOf(where: string, asked: string | undefined, shape: OnnxFileValue['shape'], { kinds }: OutputHabits): GraphOutputKind {
  const told = shape === undefined ? undefined : kindsByRank[shape.length];
  const wanted = kinds.find((kind) => kind === asked);
  if (asked !== undefined && wanted === undefined) throw unknownName('kind of output', asked, kinds);
  if (told !== undefined && kinds.includes(told) && (wanted ?? told) === told) return told;
  if (shape === undefined && wanted !== undefined) return wanted;
  throw badGraph(
    `it cannot be told what ${where} gives`,
    wanted === undefined ? `features of the kind ${kinds.join(' or ')}` : `a tensor of the kind ${wanted}`,
    shape === undefined ? 'a tensor whose shape the file does not tell' : `the shape [${shape.map((size) => size ?? '?').join(', ')}]`,
    shape === undefined ? "tell it: config: { kind: 'pooled', features: 1280 }" : 'name another tensor: config: { output: "..." }',
  );
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value > 0;

/** How long a vector is: as the file says, else as the caller does, else as the network's published config does. */
function widthOf(where: string, told: unknown, asked: JsonValue | undefined, published: JsonObject): number {
  if (asked !== undefined && (!isCount(asked) || (isCount(told) && told !== asked)))
    throw badGraph(
      `the setting features does not fit ${where}`,
      isCount(told) ? String(told) : 'a whole number from 1 on',
      JSON.stringify(asked),
      'leave it out.',
    );
  const width = [told, asked, published['hidden_size']].find(isCount);
  if (width !== undefined) return width;
  throw badGraph(`it cannot be told how many features ${where} has`, 'a size in the file or a hidden_size in config.json', 'neither', 'tell it: config: { features: 384 }'); // prettier-ignore
}

/**
 * The tensor of a graph that gives features, and what it is like.
 * @param where the graph, for messages
 * @param settings the caller's: output, kind, features
 * @param published the network's config.json
 * @throws TransferKitError `bad-config`, `unknown-name` with the nearest tensors
 */
export function graphOutput(where: string, file: OnnxFile, settings: JsonObject, published: JsonObject, habits: OutputHabits): GraphOutput {
  const output = chooseName(where, file, settingText(settings['output']), habits);
  const { type, shape } = describe(output, file);
  const what = `"${output}" of ${where}`;
  if (type !== undefined && !outputTypes.includes(type))
    throw badGraph(
      `${what} has no features`,
      `numbers of type ${outputTypes.join(', ')}`,
      type,
      "name another tensor: config: { output: '...' }",
    );
  const kind = kindOf(what, settingText(settings['kind']), shape, habits);
  const axis = kind === 'map' && habits.channels === 'first' ? 1 : -1;
  return { output, kind, features: widthOf(what, shape?.at(axis), settings['features'], published) };
}
