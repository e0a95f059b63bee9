import { backend_util, util } from '@tensorflow/tfjs-core';
import { sizeOf, type GraphBuilder } from '../graph-builder.js';
import { channelsFirstOrder, type Layout, type Traced } from '../traced.js';
import { convert } from './convert.js';
import { attribute, input, type GraphKernel, type KernelTable } from './kernel.js';
import { axesIn, layoutOf } from './layouts.js';

/** The layout in which a reduction can be written so that the axes that are left stand in tfjs's order. */
function reductionLayout(x: Traced, axes: readonly number[], keepDims: boolean): Layout {
  const layout = layoutOf(x);
  if (layout === 'plain' || keepDims) return layout;
  const left = channelsFirstOrder.filter((axis) => !axes.includes(axis));
  return left.every((axis, index) => index === 0 || left[index - 1]! < axis) ? layout : 'plain';
}

/** Whether sums are taken over axes side by side, with others before and behind them. */
function isSumWithin(operator: string, x: Traced, axes: readonly number[]): boolean {
  const isSum = (operator === 'ReduceSum' || operator === 'ReduceMean') && x.type === 'float32';
  const sideBySide = axes.at(-1)! - axes[0]! === axes.length - 1;
  return isSum && sideBySide && layoutOf(x) === 'plain' && !axes.includes(0) && !axes.includes(x.shape.length - 1);
}

/**
 * Such a sum, or mean, as a product with ones: [before, 1, behind]. ONNX Runtime's own sums over middle axes add in another order where
 * the first axis is 1, so that an example alone would get other last bits than in a batch.
 */
function sumWithin(graph: GraphBuilder, operator: string, x: Traced, axes: readonly number[]): string {
  const [first, last] = [axes[0]!, axes.at(-1)!];
  const sizes = [x.shape.slice(0, first), x.shape.slice(first, last + 1), x.shape.slice(last + 1)].map((part) => sizeOf(part));
  const block = x.shape.length === 3 ? graph.name(x) : graph.reshape(graph.name(x), sizes);
  const ones = graph.name(graph.filled(1, [1, sizes[1]!]));
  const sum = graph.node('MatMul', [ones, block]);
  return operator === 'ReduceSum' ? sum : graph.node('Div', [sum, graph.node('ReduceSum', [ones], { keepdims: 0 })]);
}

/** Writes a reduction; its axes are an input, as operator sets from 18 on have it. */
function reduce(graph: GraphBuilder, operator: string, x: Traced, axes: readonly number[], keepDims: boolean): Traced {
  const kept = backend_util.expandShapeToKeepDim(backend_util.computeOutAndReduceShapes([...x.shape], [...axes])[0], [...axes]);
  const shape = keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis));
  if (isSumWithin(operator, x, axes)) return graph.traced(graph.reshape(sumWithin(graph, operator, x, axes), shape), shape);
  const layout = reductionLayout(x, axes, keepDims);
  const name = graph.node(operator, [graph.name(x, layout), graph.integers(axesIn(layout, axes))], { keepdims: keepDims ? 1 : 0 });
  return graph.traced(name, shape, x.type, keepDims ? layout : 'plain');
}

/**
 * @param known what it makes of a number that is everywhere, and of how many there are
 * @param axisName what tfjs calls the axes
 */
function reduction(operator: string, known?: (value: number, count: number) => number, axisName = 'axis'): GraphKernel {
  return (call, graph) => {
    const x = input(call, 'x');
    const axes = util.parseAxisParam(attribute<number | number[]>(call, axisName), [...x.shape]).sort((one, other) => one - other);
    const keepDims = attribute<boolean | undefined>(call, 'keepDims') ?? false;
    if (axes.length === 0) return x;
    if (x.fill === 0 && known !== undefined) {
      const [out] = backend_util.computeOutAndReduceShapes([...x.shape], axes);
      const count = sizeOf(axes.map((axis) => x.shape[axis]!));
      return graph.filled(known(x.fill, count), keepDims ? backend_util.expandShapeToKeepDim(out, axes) : out, x.type);
    }
    return reduce(graph, operator, x, axes, keepDims);
  };
}

/** Means of whole numbers are float32. */
const mean: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  return reduction('ReduceMean', (value) => value)({ ...call, inputs: { x: convert(graph, x, 'float32') } }, graph);
};

/** ONNX has no All and Any; of numbers 0 and 1 they are the least and the greatest. */
const ofTruths =
  (operator: string): GraphKernel =>
  (call, graph) => {
    const x = input(call, 'x');
    const found = reduction(operator)({ ...call, inputs: { x: convert(graph, x, 'int32') } }, graph) as Traced;
    return convert(graph, found, 'bool');
  };

const position =
  (operator: string): GraphKernel =>
  (call, graph) => {
    const x = input(call, 'x');
    const [axis] = util.parseAxisParam(attribute<number>(call, 'axis'), [...x.shape]) as [number];
    const found = graph.node(operator, [graph.name(x)], { axis, keepdims: 0 });
    const shape = x.shape.filter((_, index) => index !== axis);
    return graph.traced(graph.cast(found, 'int32'), shape, 'int32');
  };

const softmax: GraphKernel = (call, graph) => {
  const x = input(call, 'logits');
  const axis = attribute<number>(call, 'dim');
  return graph.traced(graph.node('Softmax', [graph.name(x)], { axis: axis < 0 ? axis + x.shape.length : axis }), x.shape, x.type);
};

const cumulative: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const settings = { exclusive: Number(attribute<boolean>(call, 'exclusive')), reverse: Number(attribute<boolean>(call, 'reverse')) };
  const axis = graph.constant([attribute<number>(call, 'axis')], 'int64', []);
  return graph.traced(graph.node('CumSum', [graph.name(x), axis], settings), x.shape, x.type);
};

export const reductionKernels: KernelTable = {
  All: ofTruths('ReduceMin'),
  Any: ofTruths('ReduceMax'),
  ArgMax: position('ArgMax'),
  ArgMin: position('ArgMin'),
  Cumsum: cumulative,
  Max: reduction('ReduceMax', (value) => value, 'reductionIndices'),
  Mean: mean,
  Min: reduction('ReduceMin', (value) => value),
  Prod: reduction('ReduceProd'),
  Softmax: softmax,
  Sum: reduction('ReduceSum', (value, count) => value * count),
};
