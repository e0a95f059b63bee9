import type { OnnxNode } from '../onnx-model.js';
import type { GraphBody } from '../simplify.js';
import { numbersOf } from '../tensor-bytes.js';

/** A size: a number, or a product of free sizes in one spelling: `batch`, `12*batch*tokens`. */
export type SymbolicSize = number | string;
export type SymbolicShape = readonly SymbolicSize[];

/** What is known of the values of a graph. */
interface Known {
  readonly shapes: Map<string, SymbolicShape>;
  /** Lists of whole numbers, as reshaping takes them. */
  readonly lists: Map<string, SymbolicShape>;
}

/** The shape of a node's first output, as far as it can be told. */
type ShapeRule = (node: OnnxNode, known: Known) => SymbolicShape | undefined;

/** A product of sizes. */
function timesSize(one: SymbolicSize, other: SymbolicSize): SymbolicSize {
  const factors = [one, other].flatMap((size) => String(size).split('*'));
  const isName = (factor: string): boolean => Number.isNaN(Number(factor));
  const names = factors.filter(isName).sort();
  const number = factors.reduce((product, factor) => (isName(factor) ? product : product * Number(factor)), 1);
  return names.length === 0 ? number : [...(number === 1 ? [] : [number]), ...names].join('*');
}

export const sameShape = (one: SymbolicShape, other: SymbolicShape): boolean =>
  one.length === other.length && one.every((size, axis) => size === other[axis]);

/** The shape that both are broadcast to; undefined where that cannot be told. */
function broadcast(one: SymbolicShape | undefined, other: SymbolicShape | undefined): SymbolicShape | undefined {
  if (one === undefined || other === undefined) return undefined;
  const rank = Math.max(one.length, other.length);
  const sizes = Array.from({ length: rank }, (_, axis): SymbolicSize | undefined => {
    const [a, b] = [one[axis - rank + one.length] ?? 1, other[axis - rank + other.length] ?? 1];
    return a === 1 || a === b ? b : b === 1 ? a : undefined;
  });
  return sizes.every((size) => size !== undefined) ? sizes : undefined;
}

const ofFirst: ShapeRule = ({ inputs }, { shapes }) => shapes.get(inputs[0]!);
const ofAll: ShapeRule = ({ inputs }, { shapes }) =>
  inputs.map((name) => shapes.get(name)).reduce<SymbolicShape | undefined>((whole, shape) => broadcast(whole, shape), []);

const product: ShapeRule = ({ inputs }, { shapes }) => {
  const [left, right] = [shapes.get(inputs[0]!), shapes.get(inputs[1]!)];
  if (left === undefined || right === undefined || left.length < 2 || right.length < 2) return undefined;
  const batch = broadcast(left.slice(0, -2), right.slice(0, -2));
  return batch === undefined ? undefined : [...batch, left.at(-2)!, right.at(-1)!];
};

const transposed: ShapeRule = ({ inputs, attributes }, { shapes }) => {
  const order = (attributes['perm'] as { ints: readonly number[] } | undefined)?.ints;
  const shape = shapes.get(inputs[0]!);
  return shape === undefined || order === undefined ? undefined : order.map((axis) => shape[axis]!);
};

const gathered: ShapeRule = ({ inputs, attributes }, { shapes }) => {
  const [table, places] = [shapes.get(inputs[0]!), shapes.get(inputs[1]!)];
  const { int: axis } = (attributes['axis'] ?? { int: 0 }) as { int: number };
  return table === undefined || places === undefined || axis < 0
    ? undefined
    : [...table.slice(0, axis), ...places, ...table.slice(axis + 1)];
};

const reshaped: ShapeRule = ({ inputs }, { lists }) => {
  const list = lists.get(inputs[1]!);
  return list?.some((size) => size === 0 || size === -1) === true ? undefined : list;
};

const reduced: ShapeRule = ({ inputs, attributes }, { shapes, lists }) => {
  const [shape, axes] = [shapes.get(inputs[0]!), lists.get(inputs[1] ?? '')];
  if (shape === undefined || axes === undefined) return undefined;
  const places = new Set(axes.map((axis) => (Number(axis) < 0 ? Number(axis) + shape.length : Number(axis))));
  const { int: kept } = (attributes['keepdims'] ?? { int: 1 }) as { int: number };
  return kept === 1 ? shape.map((size, axis) => (places.has(axis) ? 1 : size)) : shape.filter((_, axis) => !places.has(axis));
};

/** A part from the front, or one between known places. */
const sliced: ShapeRule = ({ inputs }, { shapes, lists }) => {
  const [starts, ends, axes, steps] = inputs.slice(1).map((name) => lists.get(name));
  const shape = shapes.get(inputs[0]!);
  if (
    shape === undefined ||
    starts === undefined ||
    ends === undefined ||
    axes === undefined ||
    inputs.length > 4 !== (steps !== undefined)
  )
    return undefined;
  const result = [...shape];
  for (const [place, axis] of axes.entries()) {
    const size = lengthOf(starts[place]!, ends[place]!, shape[Number(axis)]!);
    if (size === undefined || (steps?.[place] ?? 1) !== 1) return undefined;
    result[Number(axis)] = size;
  }
  return result;
};

/** How much lies between two places; a free end is taken to lie within. */
function lengthOf(start: SymbolicSize, end: SymbolicSize, size: SymbolicSize): SymbolicSize | undefined {
  if (start === 0 && typeof end === 'string') return end;
  const places = [start, end, size];
  if (!places.every((place) => typeof place === 'number' && place >= 0)) return undefined;
  return Math.max(0, Math.min(end as number, size as number) - (start as number));
}

const named = (rule: ShapeRule, names: string): Record<string, ShapeRule> =>
  Object.fromEntries(names.split(' ').map((name) => [name, rule]));

const rules: Readonly<Record<string, ShapeRule>> = {
  ...named(ofFirst, 'Abs Cast Ceil Clip Elu Erf Exp Floor Gelu Identity LayerNormalization LeakyRelu Log LogSoftmax Neg Not Reciprocal'),
  ...named(ofFirst, 'Relu Round Selu Sigmoid Sign Sin Cos Softmax Softplus Sqrt Tanh BatchNormalization CumSum'),
  ...named(ofAll, 'Add Sub Mul Div Max Min Pow PRelu Equal Greater GreaterOrEqual Less LessOrEqual And Or Where'),
  ...named(reduced, 'ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd'),
  Gather: gathered,
  MatMul: product,
  Reshape: reshaped,
  Slice: sliced,
  Transpose: transposed,
};

/** Largest list of whole numbers that is taken for a list of sizes. */
const longestList = 16;

/** Notes what a node makes of sizes. */
function noteList({ operator, inputs, outputs, attributes }: OnnxNode, { shapes, lists }: Known): void {
  const parts = inputs.map((name) => lists.get(name));
  if (operator === 'Shape') {
    const { start, end } = attributes as { start?: { int: number }; end?: { int: number } };
    const shape = shapes.get(inputs[0]!);
    if (shape !== undefined) lists.set(outputs[0]!, shape.slice(start?.int ?? 0, end?.int ?? shape.length));
  } else if (parts.some((part) => part === undefined)) return;
  else if (operator === 'Concat')
    lists.set(
      outputs[0]!,
      parts.flatMap((part) => part!),
    );
  else if (operator === 'Mul' && parts.every((part) => part!.length === 1))
    lists.set(outputs[0]!, [timesSize(parts[0]![0]!, parts[1]![0]!)]);
}

/** Shapes and lists of sizes in a graph, as far as they can be told. */
export function knownOf({ inputs, constants, nodes }: GraphBody): Known {
  const known: Known = { shapes: new Map(inputs.map(({ name, shape }) => [name, shape])), lists: new Map() };
  for (const [name, tensor] of constants) {
    known.shapes.set(name, tensor.shape);
    if (tensor.type === 'int64' && tensor.shape.length === 1 && tensor.shape[0]! <= longestList)
      known.lists.set(name, Array.from(numbersOf(tensor) as BigInt64Array, Number));
  }
  for (const node of nodes) {
    noteList(node, known);
    const shape = node.domain === undefined && Object.hasOwn(rules, node.operator) ? rules[node.operator]!(node, known) : undefined;
    if (shape !== undefined) known.shapes.set(node.outputs[0]!, shape);
  }
  return known;
}

/** Shapes of a graph's values, as far as they can be told. */
export const shapesOf = (body: GraphBody): ReadonlyMap<string, SymbolicShape> => knownOf(body).shapes;
