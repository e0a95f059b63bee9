import type { OnnxNode, OnnxTensor, OnnxType } from '../onnx-model.js';
import { numbersOf, tensorOf } from '../tensor-bytes.js';
import { broadcastView, entriesOf, readStrided, rowMajorSteps, type Numbers, type StridedView } from './read-strided.js';

/** Computes a node from constants; undefined where it cannot. What can grow beyond its inputs holds itself to `most` entries. */
type Evaluator = (inputs: readonly OnnxTensor[], attributes: OnnxNode['attributes'], most: number) => OnnxTensor | undefined;

const types: ReadonlySet<OnnxType> = new Set(['float32', 'int32', 'int64', 'bool']);

const made = (type: OnnxType, shape: readonly number[], numbers: Numbers): OnnxTensor => {
  const { buffer, byteOffset, byteLength } = numbers;
  return { type, shape, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
};

const integersOf = (tensor: OnnxTensor | undefined): number[] | undefined =>
  tensor === undefined ? undefined : Array.from(numbersOf(tensor) as ArrayLike<number | bigint>, Number);

/** The shape that both are broadcast to; undefined where there is none. */
function broadcastShape(one: readonly number[], other: readonly number[]): number[] | undefined {
  const rank = Math.max(one.length, other.length);
  const sizes = Array.from(
    { length: rank },
    (_, axis) => [one[axis - rank + one.length] ?? 1, other[axis - rank + other.length] ?? 1] as const,
  );
  if (sizes.some(([a, b]) => a !== b && a !== 1 && b !== 1)) return undefined;
  return sizes.map(([a, b]) => (a === 1 ? b : a));
}

const widened = (tensor: OnnxTensor, shape: readonly number[]): Numbers =>
  entriesOf(tensor.shape) === entriesOf(shape) ? numbersOf(tensor) : readStrided(numbersOf(tensor), broadcastView(tensor.shape, shape));

/** On each entry, rounded to float32 after each step, as the graph would do it. */
const unary =
  (compute: (value: number) => number): Evaluator =>
  ([x]) =>
    x!.type === 'float32' ? made('float32', x!.shape, (numbersOf(x!) as Float32Array).map(compute)) : undefined;

const binary =
  (compute: (one: number, other: number) => number): Evaluator =>
  ([a, b], _attributes, most) => {
    const shape = broadcastShape(a!.shape, b!.shape);
    if (shape === undefined || entriesOf(shape) > most || a!.type !== 'float32' || b!.type !== 'float32') return undefined;
    const right = widened(b!, shape) as Float32Array;
    return made(
      'float32',
      shape,
      (widened(a!, shape) as Float32Array).map((value, index) => compute(value, right[index]!)),
    );
  };

const viewed = ({ type, ...tensor }: OnnxTensor, view: StridedView): OnnxTensor =>
  made(type, view.shape, readStrided(numbersOf({ type, ...tensor }), view));

const transpose: Evaluator = ([x], attributes) => {
  const { shape } = x!;
  const order = (attributes['perm'] as { ints: readonly number[] } | undefined)?.ints ?? shape.map((_, axis) => shape.length - 1 - axis);
  const steps = rowMajorSteps(shape);
  return viewed(x!, { shape: order.map((axis) => shape[axis]!), steps: order.map((axis) => steps[axis]!) });
};

const reshape: Evaluator = ([x, sizes]) => {
  const wanted = integersOf(sizes)!.map((size, axis) => (size === 0 ? x!.shape[axis]! : size));
  const known = entriesOf(wanted.filter((size) => size !== -1));
  return { ...x!, shape: wanted.map((size) => (size === -1 ? entriesOf(x!.shape) / known : size)) };
};

const expand: Evaluator = ([x, sizes], _attributes, most) => {
  const shape = broadcastShape(x!.shape, integersOf(sizes)!);
  return shape === undefined || entriesOf(shape) > most ? undefined : viewed(x!, broadcastView(x!.shape, shape));
};

const slice: Evaluator = ([x, starts, ends, axes, strides]) => {
  const [from, to] = [integersOf(starts)!, integersOf(ends)!];
  const places = integersOf(axes) ?? from.map((_, axis) => axis);
  const by = integersOf(strides) ?? from.map(() => 1);
  const shape = [...x!.shape];
  const steps = rowMajorSteps(shape);
  let start = 0;
  places.forEach((place, index) => {
    const axis = place < 0 ? place + shape.length : place;
    const step = by[index]!;
    const size = x!.shape[axis]!;
    const within = (bound: number): number =>
      Math.min(Math.max(bound < 0 ? bound + size : bound, step > 0 ? 0 : -1), step > 0 ? size : size - 1);
    start += within(from[index]!) * steps[axis]!;
    shape[axis] = Math.max(0, Math.ceil((within(to[index]!) - within(from[index]!)) / step));
    steps[axis] = steps[axis]! * step;
  });
  return viewed(x!, { shape, steps, start });
};

const concat: Evaluator = (parts, attributes) => {
  const { int } = attributes['axis'] as { int: number };
  const { shape: first, type } = parts[0]!;
  const axis = int < 0 ? int + first.length : int;
  const shape = first.map((size, index) => (index === axis ? parts.reduce((sum, part) => sum + part.shape[axis]!, 0) : size));
  const result = new (numbersOf(parts[0]!).constructor as new (length: number) => Numbers)(entriesOf(shape));
  const row = entriesOf(shape.slice(axis));
  let offset = 0;
  for (const part of parts) {
    const width = entriesOf(part.shape.slice(axis));
    const numbers = numbersOf(part);
    for (let at = offset, from = 0; from < numbers.length; at += row, from += width)
      result.set(numbers.subarray(from, from + width) as never, at);
    offset += width;
  }
  return made(type, shape, result);
};

/** ONNX's numbers for the types that constants are turned into. */
const castTypes: Readonly<Record<number, OnnxType>> = { 1: 'float32', 6: 'int32', 7: 'int64' };

const cast: Evaluator = ([x], attributes) => {
  const type = castTypes[(attributes['to'] as { int: number }).int];
  const numbers = Array.from(numbersOf(x!) as ArrayLike<number | bigint>, Number);
  const finite = numbers.every((value) => Math.abs(value) < 2 ** 31); // what lies beyond depends on the machine
  return type === undefined || !finite
    ? undefined
    : tensorOf({ type, shape: x!.shape, numbers: type === 'float32' ? numbers : numbers.map(Math.trunc) });
};

/** What can be computed beforehand. */
const evaluators: Readonly<Record<string, Evaluator>> = {
  Add: binary((a, b) => a + b),
  Cast: cast,
  Concat: concat,
  Div: binary((a, b) => a / b),
  Expand: expand,
  Max: binary(Math.max),
  Min: binary(Math.min),
  Mul: binary((a, b) => a * b),
  Neg: unary((x) => -x),
  Reciprocal: unary((x) => 1 / x),
  Reshape: reshape,
  Slice: slice,
  Sqrt: unary(Math.sqrt),
  Sub: binary((a, b) => a - b),
  Transpose: transpose,
};

/** A result may be as large as the largest input; up to this many entries it may be larger. A filled tensor is best left to the runtime. */
const spareEntries = 1024;

/** A node's value, where all that it takes is known; undefined for operators that are left to the runtime. */
export function evaluate({ operator, domain, attributes }: OnnxNode, inputs: readonly OnnxTensor[]): OnnxTensor | undefined {
  const evaluator = domain === undefined && Object.hasOwn(evaluators, operator) ? evaluators[operator]! : undefined;
  if (evaluator === undefined || !inputs.every(({ type }) => types.has(type))) return undefined;
  return evaluator(inputs, attributes, Math.max(spareEntries, ...inputs.map(({ shape }) => entriesOf(shape))));
}
