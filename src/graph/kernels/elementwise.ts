import { backend_util } from '@tensorflow/tfjs-core';
import { notRecordable, type GraphBuilder } from '../graph-builder.js';
import { channelsFirstOrder, type KernelCall, type Layout, type Traced, type TracedType } from '../traced.js';
import { convert } from './convert.js';
import { attribute, input, type GraphKernel, type KernelTable } from './kernel.js';
import { commonLayout, layoutOf, operandName } from './layouts.js';

type Emit = (graph: GraphBuilder, names: readonly string[], call: KernelCall) => string;

const operator =
  (name: string): Emit =>
  (graph, names) =>
    graph.node(name, names);

/** The number that a tensor of the type keeps of one that was worked out in double precision. */
const kept = (value: number, type: TracedType): number => (type === 'float32' ? Math.fround(value) : value);

/** An operation on each entry of one tensor. @param known what it makes of one number, where that is worth knowing */
function unary(emit: Emit, known?: (value: number) => number): GraphKernel {
  return (call, graph) => {
    const x = input(call, 'x');
    if (x.fill !== undefined && known !== undefined) return graph.filled(kept(known(x.fill), x.type), x.shape, x.type);
    const layout = layoutOf(x);
    return graph.traced(emit(graph, [graph.name(x, layout)], call), x.shape, x.type, layout);
  };
}

/** A question about each entry. */
const question =
  (emit: Emit): GraphKernel =>
  (call, graph) => {
    const x = input(call, 'x');
    const layout = layoutOf(x);
    return graph.traced(emit(graph, [graph.name(x, layout)], call), x.shape, 'bool', layout);
  };

interface BinaryOptions {
  readonly type?: TracedType;
  /** What it makes of two numbers. */
  readonly known?: (one: number, other: number) => number;
  /** A number on the right that changes nothing. */
  readonly neutral?: number;
  /** Whether that holds on the left too. */
  readonly commutes?: boolean;
}

const sameShape = (one: readonly number[], other: readonly number[]): boolean =>
  one.length === other.length && one.every((size, axis) => size === other[axis]);

/** The names of operands that broadcast to `shape` in `layout`: one of them is widened where only scalars would be left. */
function operandNames(graph: GraphBuilder, operands: readonly Traced[], shape: readonly number[], layout: Layout): string[] {
  const names = operands.map((operand) => operandName(graph, operand, layout));
  const real = operands.filter(({ fill }) => fill === undefined).map((operand) => [...operand.shape]);
  const reached = real.reduce<number[]>((sum, next) => backend_util.assertAndGetBroadcastShape(sum, next), []);
  if (sameShape(reached, shape)) return names;
  const size = layout === 'plain' ? shape : channelsFirstOrder.map((axis) => shape[axis]!);
  return [graph.node('Expand', [names[0]!, graph.integers(size)]), ...names.slice(1)];
}

function binary(emit: Emit, options: BinaryOptions = {}): GraphKernel {
  const { known, neutral, commutes = false } = options;
  return (call, graph) => {
    const [a, b] = [input(call, 'a'), input(call, 'b')];
    const shape = backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]);
    const type = options.type ?? a.type;
    if (a.fill !== undefined && b.fill !== undefined && known !== undefined)
      return graph.filled(kept(known(a.fill, b.fill), type), shape, type);
    if (neutral !== undefined && b.fill === neutral && sameShape(a.shape, shape)) return a;
    if (neutral !== undefined && commutes && a.fill === neutral && sameShape(b.shape, shape)) return b;
    const layout = shape.length === 4 ? commonLayout([a, b]) : 'plain';
    return graph.traced(emit(graph, operandNames(graph, [a, b], shape, layout), call), shape, type, layout);
  };
}

/** A number that is not there makes the product vanish. */
const product: GraphKernel = (call, graph) => {
  const [a, b] = [input(call, 'a'), input(call, 'b')];
  if (a.fill === 0 || b.fill === 0) return graph.filled(0, backend_util.assertAndGetBroadcastShape([...a.shape], [...b.shape]), a.type);
  return binary(operator('Mul'), { known: (one, other) => one * other, neutral: 1, commutes: true })(call, graph);
};

const compare = (name: string): GraphKernel => binary(operator(name), { type: 'bool' });

const notEqual: Emit = (graph, names) => graph.node('Not', [graph.node('Equal', names)]);

const squared: Emit = (graph, [x]) => graph.node('Mul', [x!, x!]);

const clip = (graph: GraphBuilder, x: string, [low, high]: readonly [number, number], type: TracedType = 'float32'): string =>
  graph.node('Clip', [x, graph.scalar(low, type), graph.scalar(high, type)]);

const clipByValue: Emit = (graph, [x], call) =>
  clip(graph, x!, [attribute(call, 'clipValueMin'), attribute(call, 'clipValueMax')], input(call, 'x').type);

/** 1 where the entry is above 0, else alpha. */
const step: Emit = (graph, [x], call) => {
  const { type } = input(call, 'x');
  const alpha = attribute<number | undefined>(call, 'alpha') ?? 0;
  const above = graph.node('Greater', [x!, graph.scalar(0, type)]);
  return alpha === 0 ? graph.cast(above, type) : graph.node('Where', [above, graph.scalar(1, type), graph.scalar(alpha, type)]);
};

const cast: GraphKernel = (call, graph) => convert(graph, input(call, 'x'), attribute<TracedType>(call, 'dtype'));

const addAll: GraphKernel = (call, graph) => {
  const rest = call.list.filter(({ fill }) => fill !== 0);
  const first = rest[0] ?? call.list[0]!;
  if (rest.length < 2) return first;
  const layout = first.shape.length === 4 ? commonLayout(rest) : 'plain';
  const names = operandNames(graph, rest, first.shape, layout);
  return graph.traced(
    names.slice(1).reduce((sum, name) => graph.node('Add', [sum, name]), names[0]!),
    first.shape,
    first.type,
    layout,
  );
};

/** Chooses entry by entry. tfjs stretches all three to one shape before. */
const select: GraphKernel = (call, graph) => {
  const [condition, yes, no] = [input(call, 'condition'), input(call, 't'), input(call, 'e')];
  if (!sameShape(condition.shape, yes.shape)) throw notRecordable('a choice of whole rows');
  if (condition.fill !== undefined) return condition.fill === 0 ? no : yes;
  const layout = yes.shape.length === 4 ? commonLayout([condition, yes, no]) : 'plain';
  const mask = graph.name(condition, layout);
  if (yes.type !== 'bool')
    return graph.traced(graph.node('Where', [mask, ...chosen(graph, [yes, no], layout)]), yes.shape, yes.type, layout);
  // onnxruntime chooses numbers only
  const bytes = chosen(graph, [yes, no], layout).map((name) => graph.cast(name, 'int32'));
  const number = graph.node('Where', [mask, ...bytes]);
  return graph.traced(graph.cast(number, 'bool'), yes.shape, 'bool', layout);
};

const chosen = (graph: GraphBuilder, operands: readonly Traced[], layout: Layout): string[] =>
  operands.map((operand) => operandName(graph, operand, layout));

/** log(1 + x). Near 0 the sum loses digits of x; what was lost is made good by the factor x / ((1 + x) - 1). */
const logOfOneMore: Emit = (graph, [x]) => {
  const sum = graph.node('Add', [x!, graph.scalar(1)]);
  const read = graph.node('Sub', [sum, graph.scalar(1)]);
  const exact = graph.node('Mul', [graph.node('Log', [sum]), graph.node('Div', [x!, read])]);
  return graph.node('Where', [graph.node('Equal', [read, graph.scalar(0)]), x!, exact]);
};

/** e^x - 1 as tanh(x / 2) * (e^x + 1), which keeps the digits of a small x. */
const lessOne: Emit = (graph, [x]) => {
  const half = graph.node('Tanh', [graph.node('Mul', [x!, graph.scalar(0.5)])]);
  return graph.node('Mul', [half, graph.node('Add', [graph.node('Exp', [x!]), graph.scalar(1)])]);
};

/** Whole numbers are divided without leaving them: what the remainder, which has the divisor's sign, leaves can be divided. */
const floorDivide: GraphKernel = (call, graph) => {
  if (input(call, 'a').type === 'int32')
    return binary((builder, [a, b]) => builder.node('Div', [builder.node('Sub', [a!, builder.node('Mod', [a!, b!])]), b!]))(call, graph);
  const emit: Emit = (builder, names) => builder.cast(builder.node('Floor', [builder.node('Div', names)]), 'int32');
  return binary(emit, { type: 'int32' })(call, graph);
};

const prelu: GraphKernel = (call, graph) => {
  const [x, alpha] = [input(call, 'x'), input(call, 'alpha')];
  const layout = x.shape.length === 4 ? commonLayout([x, alpha]) : 'plain';
  return graph.traced(graph.node('PRelu', [graph.name(x, layout), operandName(graph, alpha, layout)]), x.shape, x.type, layout);
};

/** dy where y is 0 or more, else dy * (y + 1). */
const eluGradient: GraphKernel = (call, graph) => {
  const [dy, y] = [input(call, 'dy'), input(call, 'y')];
  const layout = dy.shape.length === 4 ? commonLayout([dy, y]) : 'plain';
  const [upstream, value] = [operandName(graph, dy, layout), operandName(graph, y, layout)];
  const slope = graph.node('Add', [graph.node('Min', [value, graph.scalar(0)]), graph.scalar(1)]);
  return graph.traced(graph.node('Mul', [upstream, slope]), dy.shape, dy.type, layout);
};

export const elementwiseKernels: KernelTable = {
  Abs: unary(operator('Abs'), Math.abs),
  Acos: unary(operator('Acos')),
  Acosh: unary(operator('Acosh')),
  Asin: unary(operator('Asin')),
  Asinh: unary(operator('Asinh')),
  Atan: unary(operator('Atan')),
  Atanh: unary(operator('Atanh')),
  Ceil: unary(operator('Ceil')),
  Cos: unary(operator('Cos')),
  Cosh: unary(operator('Cosh')),
  Elu: unary(operator('Elu')),
  Erf: unary(operator('Erf')),
  Exp: unary(operator('Exp'), Math.exp),
  Expm1: unary(lessOne),
  Floor: unary(operator('Floor'), Math.floor),
  Identity: (call) => input(call, 'x'),
  IsFinite: question((graph, [x]) => graph.node('Not', [graph.node('Or', [graph.node('IsNaN', [x!]), graph.node('IsInf', [x!])])])),
  IsInf: question(operator('IsInf')),
  IsNan: question(operator('IsNaN')),
  LeakyRelu: unary((graph, [x], call) => graph.node('LeakyRelu', [x!], { alpha: { float: attribute<number>(call, 'alpha') } })),
  Log: unary(operator('Log'), Math.log),
  Log1p: unary(logOfOneMore),
  LogicalNot: unary(operator('Not')),
  Neg: unary(operator('Neg'), (value) => -value),
  Reciprocal: unary(operator('Reciprocal'), (value) => 1 / value),
  Relu: unary(operator('Relu')),
  Relu6: unary((graph, [x]) => clip(graph, x!, [0, 6])),
  Round: unary(operator('Round')),
  Rsqrt: unary(
    (graph, [x]) => graph.node('Reciprocal', [graph.node('Sqrt', [x!])]),
    (value) => 1 / Math.sqrt(value),
  ),
  Selu: unary(operator('Selu')),
  Sigmoid: unary(operator('Sigmoid')),
  Sign: unary(operator('Sign')),
  Sin: unary(operator('Sin')),
  Sinh: unary(operator('Sinh')),
  Softplus: unary(operator('Softplus')),
  Sqrt: unary(operator('Sqrt'), Math.sqrt),
  Square: unary(squared, (value) => value * value),
  Step: unary(step),
  Tan: unary(operator('Tan')),
  Tanh: unary(operator('Tanh')),
  ClipByValue: unary(clipByValue),
  Cast: cast,

  Add: binary(operator('Add'), { known: (one, other) => one + other, neutral: 0, commutes: true }),
  AddN: addAll,
  FloorDiv: floorDivide,
  Maximum: binary(operator('Max'), { known: Math.max }),
  Minimum: binary(operator('Min'), { known: Math.min }),
  Multiply: product,
  Pow: binary(operator('Pow')),
  Prelu: prelu,
  RealDiv: binary(operator('Div'), { known: (one, other) => one / other, neutral: 1 }),
  SquaredDifference: binary((graph, names, call) => squared(graph, [graph.node('Sub', names)], call)),
  Sub: binary(operator('Sub'), { known: (one, other) => one - other, neutral: 0 }),
  Equal: compare('Equal'),
  Greater: compare('Greater'),
  GreaterEqual: compare('GreaterOrEqual'),
  Less: compare('Less'),
  LessEqual: compare('LessOrEqual'),
  NotEqual: binary(notEqual, { type: 'bool' }),
  LogicalAnd: compare('And'),
  LogicalOr: compare('Or'),
  Select: select,
  EluGrad: eluGradient,
};
