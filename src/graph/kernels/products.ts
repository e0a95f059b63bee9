import { backend_util, util } from '@tensorflow/tfjs-core';
import { notRecordable, type GraphBuilder } from '../graph-builder.js';
import type { KernelCall, Traced, TracedType } from '../traced.js';
import { activate } from './activation.js';
import { attribute, input, type GraphKernel, type KernelTable } from './kernel.js';

/** The last two axes change places; onnxruntime takes that into the product. */
function turned(graph: GraphBuilder, name: string, rank: number): string {
  const order = Array.from({ length: rank }, (_, axis) => axis);
  [order[rank - 2], order[rank - 1]] = [rank - 1, rank - 2];
  return graph.transpose(name, order);
}

const leadingOnes = ({ shape }: Traced): boolean => shape.slice(0, -2).every((size) => size === 1);

/** A matrix without the axes of length 1 that tfjs puts in front of it: the runtime packs a constant one, and multiplies all rows at once. */
const bare = (graph: GraphBuilder, matrix: Traced): string =>
  matrix.shape.length === 2 ? graph.name(matrix) : graph.reshape(graph.name(matrix), matrix.shape.slice(-2));

function product(call: KernelCall, graph: GraphBuilder): { name: string; shape: number[] } {
  const [a, b] = [input(call, 'a'), input(call, 'b')];
  const [turnA, turnB] = [attribute<boolean>(call, 'transposeA'), attribute<boolean>(call, 'transposeB')];
  const batch = backend_util.assertAndGetBroadcastShape([...a.shape.slice(0, -2)], [...b.shape.slice(0, -2)]);
  const rows = a.shape.at(turnA ? -1 : -2)!;
  const columns = b.shape.at(turnB ? -2 : -1)!;
  const oneMatrix = leadingOnes(b) && b.shape.length <= Math.max(2, a.shape.length);
  const single = oneMatrix && leadingOnes(a);
  const operand = (matrix: Traced, isBare: boolean, turn: boolean): string => {
    const name = isBare ? bare(graph, matrix) : graph.name(matrix);
    return turn ? turned(graph, name, isBare ? 2 : matrix.shape.length) : name;
  };
  const name = graph.node('MatMul', [operand(a, single, turnA), operand(b, oneMatrix, turnB)]);
  const shape = [...batch, rows, columns];
  return { name: single && shape.length > 2 ? graph.reshape(name, shape) : name, shape };
}

const matMul: GraphKernel = (call, graph) => {
  const { name, shape } = product(call, graph);
  return graph.traced(name, shape);
};

const fusedMatMul: GraphKernel = (call, graph) => {
  const { name, shape } = product(call, graph);
  const bias = call.inputs['bias'];
  const sum = bias === undefined ? name : graph.node('Add', [name, graph.name(bias)]);
  return graph.traced(activate(graph, sum, call, 'plain'), shape);
};

const gather: GraphKernel = (call, graph) => {
  const [x, indices] = [input(call, 'x'), input(call, 'indices')];
  const [axis] = util.parseAxisParam(attribute<number>(call, 'axis'), [...x.shape]) as [number];
  if ((attribute<number | undefined>(call, 'batchDims') ?? 0) !== 0) throw notRecordable('picking rows for each example of a batch');
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  return graph.traced(graph.node('Gather', [graph.name(x), graph.name(indices)], { axis }), shape, x.type);
};

/**
 * Adds rows up that have the same number: the gradient of a gather. Entry by entry, because onnxruntime adds whole rows (ScatterND) in
 * several threads that do not wait for each other where a number comes twice.
 */
const segmentSum: GraphKernel = (call, graph) => {
  const [x, segments] = [input(call, 'x'), input(call, 'segmentIds')];
  const count = attribute<number>(call, 'numSegments');
  if (segments.shape.length !== 1) throw notRecordable('a sum over segments of several axes');
  const shape = [count, ...x.shape.slice(1)];
  const zeros = graph.name(graph.filled(0, shape, x.type));
  const column = graph.reshape(graph.name(segments), [segments.shape[0]!, ...x.shape.slice(1).map(() => 1)]);
  const places = x.shape.length === 1 ? column : graph.node('Expand', [column, graph.integers(x.shape)]);
  return graph.traced(graph.node('ScatterElements', [zeros, places, graph.name(x)], { axis: 0, reduction: 'add' }), shape, x.type);
};

/** Each number is compared with 0, 1, 2, ...: one that is none of them, also a negative one, gives a row without a mark. */
const oneHot: GraphKernel = (call, graph) => {
  const indices = input(call, 'indices');
  const {
    depth,
    onValue = 1,
    offValue = 0,
    dtype = 'int32',
  } = call.attributes as { depth: number; onValue?: number; offValue?: number; dtype?: TracedType };
  const column = graph.reshape(graph.name(indices), [...indices.shape, 1]);
  const places = graph.constant(
    Array.from({ length: depth }, (_, place) => place),
    'int32',
    [depth],
  );
  const marks = graph.node('Equal', [column, places]);
  const simple = onValue === 1 && offValue === 0;
  const name = simple
    ? graph.cast(marks, dtype)
    : graph.node('Where', [marks, graph.scalar(onValue, dtype), graph.scalar(offValue, dtype)]);
  return graph.traced(name, [...indices.shape, depth], dtype);
};

export const productKernels: KernelTable = {
  BatchMatMul: matMul,
  GatherV2: gather,
  OneHot: oneHot,
  UnsortedSegmentSum: segmentSum,
  _FusedMatMul: fusedMatMul,
};
