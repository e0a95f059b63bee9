import { backend_util, slice_util, util } from '@tensorflow/tfjs-core';
import { notRecordable, sizeOf, type GraphBuilder } from '../graph-builder.js';
import { channelsFirstOrder, type Traced, type TracedType } from '../traced.js';
import { attribute, input, type GraphKernel, type KernelTable } from './kernel.js';
import { commonLayout, layoutOf } from './layouts.js';

/** Another shape over the same numbers. Ones that come or go beside channels keep their order. */
function reshaped(graph: GraphBuilder, x: Traced, shape: readonly number[]): Traced {
  if (util.arraysEqual([...x.shape], [...shape])) return x;
  if (x.fill !== undefined) return graph.filled(x.fill, shape, x.type);
  if (x.known !== undefined) return { shape, type: x.type, names: new Map(), known: x.known };
  // [batch, 1, 1, channels] and [batch, channels] are the same numbers in both orders.
  const pooled = x.shape.length === 4 && x.shape[1] === 1 && x.shape[2] === 1;
  const layout = pooled ? layoutOf(x) : 'plain';
  return graph.traced(graph.reshape(graph.name(x, layout), shape), shape, x.type);
}

const reshape: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  return reshaped(graph, x, util.inferFromImplicitShape(attribute<number[]>(call, 'shape'), sizeOf(x.shape)));
};

const expandDims: GraphKernel = (call, graph) => {
  const x = input(call, 'input');
  const axis = attribute<number>(call, 'dim');
  const shape = [...x.shape];
  shape.splice(axis < 0 ? axis + shape.length + 1 : axis, 0, 1);
  return reshaped(graph, x, shape);
};

const transpose: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const order = attribute<number[]>(call, 'perm');
  const shape = order.map((axis) => x.shape[axis]!);
  if (x.fill !== undefined) return graph.filled(x.fill, shape, x.type);
  return graph.traced(graph.transpose(graph.name(x), order), shape, x.type);
};

const concat: GraphKernel = (call, graph) => {
  const [axis] = util.parseAxisParam(attribute<number>(call, 'axis'), [...call.list[0]!.shape]) as [number];
  const parts = call.list.filter(({ shape }) => sizeOf(shape) > 0);
  if (parts.length < 2) return parts[0] ?? call.list[0]!;
  const shape = backend_util.computeOutShape(
    parts.map((part) => [...part.shape]),
    axis,
  );
  const layout = shape.length === 4 && parts.every((part) => part.fill === undefined) ? commonLayout(parts) : 'plain';
  const names = parts.map((part) => graph.name(part, layout));
  const place = layout === 'plain' ? axis : channelsFirstOrder.indexOf(axis as 0);
  return graph.traced(graph.node('Concat', names, { axis: place }), shape, parts[0]!.type, layout);
};

/** A new axis in front of each, then joined. */
const pack: GraphKernel = (call, graph) => {
  const first = call.list[0]!;
  const given = attribute<number>(call, 'axis');
  const axis = given < 0 ? given + first.shape.length + 1 : given;
  const shape = [...first.shape];
  shape.splice(axis, 0, 1);
  const names = call.list.map((part) => graph.reshape(graph.name(part), shape));
  const whole = shape.map((size, index) => (index === axis ? names.length : size));
  return graph.traced(names.length === 1 ? names[0]! : graph.node('Concat', names, { axis }), whole, first.type);
};

function cut(graph: GraphBuilder, x: Traced, begin: readonly number[], size: readonly number[]): Traced {
  if (util.arraysEqual([...size], [...x.shape])) return x;
  if (x.fill !== undefined) return graph.filled(x.fill, size, x.type);
  const axes = size.map((_, axis) => axis).filter((axis) => size[axis] !== x.shape[axis]);
  const layout = layoutOf(x);
  const places = layout === 'plain' ? axes : axes.map((axis) => channelsFirstOrder.indexOf(axis as 0));
  const lists = [axes.map((axis) => begin[axis]!), axes.map((axis) => begin[axis]! + size[axis]!), places];
  return graph.traced(graph.node('Slice', [graph.name(x, layout), ...lists.map((list) => graph.integers(list))]), size, x.type, layout);
}

const slice: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const [begin, size] = slice_util.parseSliceParams({ shape: [...x.shape] } as never, attribute(call, 'begin'), attribute(call, 'size'));
  return cut(graph, x, begin!, size!);
};

const stridedSlice: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const of = <T>(name: string): T => attribute<T>(call, name);
  const { finalShape, isIdentity, begin, end, strides } = slice_util.sliceInfo(
    [...x.shape],
    of('begin'),
    of('end'),
    of('strides'),
    of('beginMask'),
    of('endMask'),
    of('ellipsisMask'),
    of('newAxisMask'),
    of('shrinkAxisMask'),
  );
  if (isIdentity) return reshaped(graph, x, finalShape);
  // backwards, an end below 0 is the place before the first entry; ONNX would count it from the end
  const ends = end.map((place, axis) => (strides[axis]! < 0 && place < 0 ? Number.MIN_SAFE_INTEGER : place));
  // the last place of an axis is written as such, whatever its size
  const starts = begin.map((place, axis) => (strides[axis]! < 0 && place === x.shape[axis]! - 1 ? -1 : place));
  const lists = [starts, ends, begin.map((_, axis) => axis), strides];
  const cutShape = begin.map((start, axis) => Math.max(0, Math.ceil((end[axis]! - start) / strides[axis]!)));
  const name = graph.node('Slice', [graph.name(x), ...lists.map((list) => graph.integers(list))]);
  return reshaped(graph, graph.traced(name, cutShape, x.type), finalShape);
};

const split: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const [axis] = util.parseAxisParam(attribute<number>(call, 'axis'), [...x.shape]) as [number];
  const sizes = backend_util.prepareSplitSize({ shape: [...x.shape] } as never, attribute(call, 'numOrSizeSplits'), axis);
  let start = 0;
  return sizes.map((size) => {
    const begin = x.shape.map((_, index) => (index === axis ? start : 0));
    start += size;
    return cut(
      graph,
      x,
      begin,
      x.shape.map((whole, index) => (index === axis ? size : whole)),
    );
  });
};

const unpack: GraphKernel = (call, graph) => {
  const x = input(call, 'value');
  const [axis] = util.parseAxisParam(attribute<number>(call, 'axis'), [...x.shape]) as [number];
  const left = x.shape.filter((_, index) => index !== axis);
  return Array.from({ length: x.shape[axis]! }, (_, place) => {
    const begin = x.shape.map((_size, index) => (index === axis ? place : 0));
    return reshaped(
      graph,
      cut(
        graph,
        x,
        begin,
        x.shape.map((size, index) => (index === axis ? 1 : size)),
      ),
      left,
    );
  });
};

const tile: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const times = attribute<number[]>(call, 'reps');
  const shape = x.shape.map((size, axis) => size * times[axis]!);
  if (x.fill !== undefined) return graph.filled(x.fill, shape, x.type);
  if (times.every((count) => count === 1)) return x;
  const ones = x.shape.every((size, axis) => size === 1 || times[axis] === 1);
  const wide = ones
    ? graph.node('Expand', [graph.name(x), graph.integers(shape)])
    : graph.node('Tile', [graph.name(x), graph.integers(times)]);
  return graph.traced(wide, shape, x.type);
};

const pad: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const widths = attribute<[number, number][]>(call, 'paddings');
  const shape = x.shape.map((size, axis) => size + widths[axis]![0] + widths[axis]![1]);
  const layout = layoutOf(x);
  const ordered = layout === 'plain' ? widths : channelsFirstOrder.map((axis) => widths[axis]!);
  const amounts = graph.integers([...ordered.map(([before]) => before), ...ordered.map(([, after]) => after)]);
  const value = graph.scalar(attribute<number>(call, 'constantValue'), x.type);
  return graph.traced(graph.node('Pad', [graph.name(x, layout), amounts, value], { mode: 'constant' }), shape, x.type, layout);
};

const mirrorPad: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const widths = attribute<[number, number][]>(call, 'paddings');
  if (attribute(call, 'mode') !== 'reflect') throw notRecordable('padding by a mirror that repeats the border');
  const shape = x.shape.map((size, axis) => size + widths[axis]![0] + widths[axis]![1]);
  const amounts = graph.integers([...widths.map(([before]) => before), ...widths.map(([, after]) => after)]);
  return graph.traced(graph.node('Pad', [graph.name(x), amounts], { mode: 'reflect' }), shape, x.type);
};

/** Whole numbers in a row. */
const range: GraphKernel = (call, graph) => {
  const {
    start,
    stop,
    step = 1,
    dtype = 'float32',
  } = call.attributes as { start: number; stop: number; step?: number; dtype?: TracedType };
  // a whole number may be a free size
  const limits = [start, stop, step].map((value) =>
    Number.isInteger(value) ? graph.reshape(graph.cast(graph.integers([value]), dtype), []) : graph.scalar(value, dtype),
  );
  return graph.traced(graph.node('Range', limits), [Math.max(0, Math.ceil((stop - start) / step))], dtype);
};

const reverse: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const axes = util.parseAxisParam(attribute<number[]>(call, 'dims'), [...x.shape]);
  const lists = [axes.map(() => -1), axes.map(() => Number.MIN_SAFE_INTEGER), axes, axes.map(() => -1)];
  return graph.traced(graph.node('Slice', [graph.name(x), ...lists.map((list) => graph.integers(list))]), x.shape, x.type);
};

const like =
  (value: number): GraphKernel =>
  (call, graph) =>
    graph.filled(value, input(call, 'x').shape, input(call, 'x').type);

const fill: GraphKernel = (call, graph) =>
  graph.filled(
    attribute<number>(call, 'value'),
    attribute<number[]>(call, 'shape'),
    attribute<TracedType | undefined>(call, 'dtype') ?? 'float32',
  );

export const shapeKernels: KernelTable = {
  Concat: concat,
  ExpandDims: expandDims,
  Fill: fill,
  MirrorPad: mirrorPad,
  OnesLike: like(1),
  Pack: pack,
  PadV2: pad,
  Range: range,
  Reshape: reshape,
  Reverse: reverse,
  Slice: slice,
  SplitV: split,
  StridedSlice: stridedSlice,
  Tile: tile,
  Transpose: transpose,
  Unpack: unpack,
  ZerosLike: like(0),
};
