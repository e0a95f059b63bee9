import { backend_util } from '@tensorflow/tfjs-core';
import { notRecordable, sizeOf, type GraphBuilder } from '../graph-builder.js';
import type { KernelCall, Traced } from '../traced.js';
import { activate } from './activation.js';
import { attribute, input, type GraphKernel, type KernelTable } from './kernel.js';

/** Sizes, strides and padding of a convolution or a pooling. */
export type Info = backend_util.Conv2DInfo;

/**
 * Padding that reaches as far as the last window does: further than what was asked for where sizes are rounded up, and less far where
 * strides leave some of it over.
 */
export function reaching(info: Info): Info {
  const { top, left, type } = info.padInfo;
  const [height, width] = neededBy(info);
  const [bottom, right] = [Math.max(0, height - info.inHeight), Math.max(0, width - info.inWidth)];
  const unused = [info.inHeight - height, info.inWidth - width] as const;
  if (unused[0] >= info.strideHeight || unused[1] >= info.strideWidth) throw notRecordable('a convolution that leaves windows out');
  return { ...info, padInfo: { top, left, bottom, right, type } };
}

/** How many rows and columns of the input the windows reach. */
const neededBy = (info: Info): [number, number] => [
  (info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight - info.padInfo.top,
  (info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth - info.padInfo.left,
];

/** The geometry of a convolution, by tfjs's own rules. */
function geometry(call: KernelCall, image: readonly number[], filter: readonly number[], depthwise: boolean): Info {
  if ((attribute<string | undefined>(call, 'dataFormat') ?? 'NHWC') !== 'NHWC') throw notRecordable('a convolution with channels first');
  const info = backend_util.computeConv2DInfo(
    image as [number, number, number, number],
    filter as [number, number, number, number],
    attribute(call, 'strides'),
    attribute<number | undefined>(call, 'dilations') ?? 1,
    attribute(call, 'pad'),
    attribute(call, 'dimRoundingMode'),
    depthwise,
  );
  return reaching(info);
}

/** The same in ONNX's terms. */
export const spatial = ({ padInfo: { top, left, bottom, right }, ...info }: Info): Record<string, number[]> => ({
  kernel_shape: [info.filterHeight, info.filterWidth],
  strides: [info.strideHeight, info.strideWidth],
  dilations: [info.dilationHeight, info.dilationWidth],
  pads: [top, left, bottom, right],
});

/** [height, width, in, out] -> [out, in, height, width] */
const filterFirst = (graph: GraphBuilder, filter: Traced): string => graph.transpose(graph.name(filter), [3, 2, 0, 1]);

/** [height, width, channels, multiplier] -> [channels * multiplier, 1, height, width] */
function depthwiseFilterFirst(graph: GraphBuilder, filter: Traced): string {
  const [height, width, channels, multiplier] = filter.shape as [number, number, number, number];
  return graph.reshape(graph.transpose(graph.name(filter), [2, 3, 0, 1]), [channels * multiplier, 1, height, width]);
}

function convolve(call: KernelCall, graph: GraphBuilder, depthwise: boolean): Traced {
  const [x, filter] = [input(call, 'x'), input(call, 'filter')];
  const info = geometry(call, x.shape, filter.shape, depthwise);
  const weights = depthwise ? depthwiseFilterFirst(graph, filter) : filterFirst(graph, filter);
  const bias = call.inputs['bias'];
  const names = [graph.name(x, 'channels-first'), weights, ...(bias === undefined ? [] : [biasName(graph, bias, info)])];
  const sum = graph.node('Conv', names, { ...spatial(info), group: depthwise ? info.inChannels : 1 });
  return graph.traced(activate(graph, sum, call, 'channels-first'), info.outShape, 'float32', 'channels-first');
}

/** A bias is a vector of the channels, however many ones stand around it, or one number for all. */
function biasName(graph: GraphBuilder, bias: Traced, { outChannels }: Info): string {
  if (bias.fill !== undefined) return graph.name(graph.filled(bias.fill, [outChannels]));
  if (sizeOf(bias.shape) !== outChannels) return graph.node('Expand', [graph.name(bias), graph.integers([outChannels])]);
  return bias.shape.length === 1 ? graph.name(bias) : graph.reshape(graph.name(bias), [outChannels]);
}

/** The filter turned by half, as the gradient of a convolution with stride 1 needs it. */
function flipped(graph: GraphBuilder, name: string): string {
  const lists = [
    [-1, -1],
    [Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
    [2, 3],
    [-1, -1],
  ];
  return graph.node('Slice', [name, ...lists.map((list) => graph.integers(list))]);
}

/**
 * The gradient of a convolution by its input. With stride 1 it is a plain convolution of the upstream gradient with the turned filter;
 * else a transposed one.
 */
function inputGradient(call: KernelCall, graph: GraphBuilder, depthwise: boolean): Traced {
  const [dy, filter] = [input(call, 'dy'), input(call, 'filter')];
  const shape = attribute<number[]>(call, 'inputShape');
  const info = geometry(call, shape, filter.shape, depthwise);
  const upstream = graph.name(dy, 'channels-first');
  return graph.traced(spreadBack(graph, upstream, filter, info, depthwise), shape, 'float32', 'channels-first');
}

/** What each place of the input gets of the upstream gradient, [batch, channels, outHeight, outWidth]. */
export function spreadBack(graph: GraphBuilder, upstream: string, filter: Traced, info: Info, depthwise: boolean): string {
  return info.strideHeight === 1 && info.strideWidth === 1
    ? plainInputGradient(graph, upstream, filter, info, depthwise)
    : transposedInputGradient(graph, upstream, filter, info, depthwise);
}

function plainInputGradient(graph: GraphBuilder, upstream: string, filter: Traced, info: Info, depthwise: boolean): string {
  const { top, left, bottom, right } = info.padInfo;
  const reach = [info.effectiveFilterHeight - 1, info.effectiveFilterWidth - 1] as const;
  const pads = [reach[0] - top, reach[1] - left, reach[0] - bottom, reach[1] - right];
  if (pads.some((width) => width < 0)) return transposedInputGradient(graph, upstream, filter, info, depthwise);
  const single = info.filterHeight === 1 && info.filterWidth === 1;
  // from the outputs back to the inputs: [in, out, height, width], or [channels, multiplier, height, width]
  const weights = graph.transpose(graph.name(filter), [2, 3, 0, 1]);
  return graph.node('Conv', [upstream, single ? weights : flipped(graph, weights)], {
    ...spatial(info),
    pads,
    group: depthwise ? info.inChannels : 1,
  });
}

function transposedInputGradient(graph: GraphBuilder, upstream: string, filter: Traced, info: Info, depthwise: boolean): string {
  const weights = depthwise ? depthwiseFilterFirst(graph, filter) : filterFirst(graph, filter);
  const { top, left, bottom, right } = info.padInfo;
  const rest = [
    info.inHeight - ((info.outHeight - 1) * info.strideHeight + info.effectiveFilterHeight - top - bottom),
    info.inWidth - ((info.outWidth - 1) * info.strideWidth + info.effectiveFilterWidth - left - right),
  ];
  return graph.node('ConvTranspose', [upstream, weights], {
    ...spatial(info),
    output_padding: rest,
    group: depthwise ? info.inChannels : 1,
  });
}

/** Pixels of the padded input that one place of the filter meets, [batch, channels, outHeight, outWidth]. */
function patch(graph: GraphBuilder, padded: string, info: Info, row: number, column: number): string {
  const begin = [row * info.dilationHeight, column * info.dilationWidth];
  const end = [begin[0]! + (info.outHeight - 1) * info.strideHeight + 1, begin[1]! + (info.outWidth - 1) * info.strideWidth + 1];
  const lists = [begin, end, [2, 3], [info.strideHeight, info.strideWidth]];
  return graph.node('Slice', [padded, ...lists.map((list) => graph.integers(list))]);
}

function padded(graph: GraphBuilder, name: string, { padInfo: { top, left, bottom, right } }: Info): string {
  if (top + left + bottom + right === 0) return name;
  return graph.node('Pad', [name, graph.integers([0, 0, top, left, 0, 0, bottom, right])]);
}

/**
 * The gradient of a convolution by its filter: for each place of the filter, a product of the pixels that it meets with the upstream
 * gradient, summed over pictures and places.
 */
const filterGradient: GraphKernel = (call, graph) => {
  const [x, dy] = [input(call, 'x'), input(call, 'dy')];
  const shape = attribute<number[]>(call, 'filterShape');
  const info = geometry(call, x.shape, shape, false);
  const upstream = graph.reshape(graph.name(dy, 'channels-first'), [info.batchSize, info.outChannels, info.outHeight * info.outWidth]);
  const single = info.filterHeight === 1 && info.filterWidth === 1 && info.strideHeight === 1 && info.strideWidth === 1;
  const source = padded(graph, graph.name(x, 'channels-first'), info);
  const products: string[] = [];
  for (let row = 0; row < info.filterHeight; row++)
    for (let column = 0; column < info.filterWidth; column++) {
      const pixels = single ? source : patch(graph, source, info, row, column);
      const flat = graph.reshape(pixels, [info.batchSize, info.inChannels, info.outHeight * info.outWidth]);
      const each = graph.node('MatMul', [flat, graph.transpose(upstream, [0, 2, 1])]); // [batch, in, out]
      products.push(graph.node('ReduceSum', [each, graph.integers([0])], { keepdims: 0 }));
    }
  const all = products.length === 1 ? products[0]! : graph.node('Concat', products, { axis: 0 });
  return graph.traced(graph.reshape(all, shape), shape);
};

/** What the windows reach of the input; the rest would need negative padding. */
function reached(graph: GraphBuilder, name: string, info: Info): { name: string; rows: number; columns: number } {
  const [height, width] = neededBy(info);
  const [rows, columns] = [Math.min(info.inHeight, height), Math.min(info.inWidth, width)];
  if (rows === info.inHeight && columns === info.inWidth) return { name, rows, columns };
  const lists = [
    [0, 0],
    [rows, columns],
    [2, 3],
  ];
  return { name: graph.node('Slice', [name, ...lists.map((list) => graph.integers(list))]), rows, columns };
}

/** A list of whole numbers of one axis: begin, end, axis and step of a slice. */
const slice = (graph: GraphBuilder, name: string, begin: number, end: number, axis: number, step = 1): string =>
  graph.node('Slice', [name, ...[begin, end, axis, step].map((number) => graph.integers([number]))]);

/**
 * The gradient of a depthwise filter, [height, width, channels], by products of matrices. For one row of the filter, the upstream gradient
 * [columns, pictures x rows] times the input's rows that it meets [pictures x rows, input's columns] has, for each channel, the sums for
 * every pair of columns. Those of one filter column stand on a diagonal: with a step's width more in each row they stand in one column.
 * It needs more products than there are in the sums, and takes the least time of all ways nevertheless, because each is fast.
 */
function byDiagonals(graph: GraphBuilder, { x, dy }: { x: Traced; dy: Traced }, info: Info): string {
  const { inChannels: channels, outHeight, outWidth, strideHeight, strideWidth, padInfo } = info;
  const width = info.inWidth + padInfo.left + padInfo.right;
  const pictures = info.batchSize * outHeight;
  const byChannel = (name: string): string => graph.transpose(name, [1, 0, 2, 3]);
  const upstream = graph.reshape(byChannel(graph.name(dy, 'channels-first')), [channels, pictures, outWidth]);
  const turned = graph.transpose(upstream, [0, 2, 1]); // [channels, columns, pictures x rows]
  const source = byChannel(padded(graph, graph.name(x, 'channels-first'), info));
  const rows = Array.from({ length: info.filterHeight }, (_, row) => {
    const begin = row * info.dilationHeight;
    const met = slice(graph, source, begin, begin + (outHeight - 1) * strideHeight + 1, 2, strideHeight);
    const sums = graph.node('MatMul', [turned, graph.reshape(met, [channels, pictures, width])]); // [channels, columns, input's columns]
    const room = graph.integers([0, 0, 0, outWidth * strideWidth]);
    const longer = graph.node('Pad', [graph.reshape(sums, [channels, outWidth * width]), room]);
    const aligned = graph.reshape(longer, [channels, outWidth, width + strideWidth]);
    const columns = slice(graph, aligned, 0, (info.filterWidth - 1) * info.dilationWidth + 1, 2, info.dilationWidth);
    return graph.node('ReduceSum', [columns, graph.integers([1])], { keepdims: 1 }); // [channels, 1, filter's columns]
  });
  const all = rows.length === 1 ? rows[0]! : graph.node('Concat', rows, { axis: 1 });
  return graph.transpose(all, [1, 2, 0]);
}

/**
 * The gradient of a depthwise convolution by its filter. With several outputs a channel it is a convolution with a group for each picture and channel:
 * the upstream gradient is the filter, its stride the distance of the filter's entries.
 */
const depthwiseFilterGradient: GraphKernel = (call, graph) => {
  const [x, dy] = [input(call, 'x'), input(call, 'dy')];
  const shape = attribute<[number, number, number, number]>(call, 'filterShape');
  const info = geometry(call, x.shape, shape, true);
  const [height, width, channels, multiplier] = shape;
  if (multiplier === 1) return graph.traced(graph.reshape(byDiagonals(graph, { x, dy }, info), shape), shape);
  const groups = info.batchSize * channels;
  const { name, rows, columns } = reached(graph, graph.name(x, 'channels-first'), info);
  const pixels = graph.reshape(name, [1, groups, rows, columns]);
  const upstream = graph.reshape(graph.name(dy, 'channels-first'), [groups * multiplier, 1, info.outHeight, info.outWidth]);
  const each = graph.node('Conv', [pixels, upstream], {
    kernel_shape: [info.outHeight, info.outWidth],
    strides: [info.dilationHeight, info.dilationWidth],
    dilations: [info.strideHeight, info.strideWidth],
    pads: spatial(info)['pads']!,
    group: groups,
  });
  const byPicture = graph.reshape(each, [info.batchSize, channels, multiplier, height, width]);
  const sum = graph.node('ReduceSum', [byPicture, graph.integers([0])], { keepdims: 0 }); // [channels, multiplier, height, width]
  return graph.traced(graph.transpose(sum, [2, 3, 0, 1]), shape);
};

const batchNorm: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const channels = x.shape.at(-1)!;
  const layout = x.shape.length === 4 ? 'channels-first' : 'plain';
  if (layout === 'plain' && x.shape.length !== 2) throw notRecordable(`batch normalisation of ${x.shape.length} axes`);
  const [mean, variance] = [input(call, 'mean'), input(call, 'variance')];
  if (mean.shape.length !== 1) throw notRecordable('batch normalisation by more than a number for each channel');
  const scale = call.inputs['scale'] ?? graph.filled(1, [channels]);
  const offset = call.inputs['offset'] ?? graph.filled(0, [channels]);
  const names = [graph.name(x, layout), ...[scale, offset, mean, variance].map((traced) => graph.name(traced))];
  const epsilon = { float: attribute<number>(call, 'varianceEpsilon') };
  return graph.traced(graph.node('BatchNormalization', names, { epsilon }), x.shape, 'float32', layout);
};

export const convolutionKernels: KernelTable = {
  Conv2D: (call, graph) => convolve(call, graph, false),
  Conv2DBackpropFilter: filterGradient,
  Conv2DBackpropInput: (call, graph) => inputGradient(call, graph, false),
  DepthwiseConv2dNative: (call, graph) => convolve(call, graph, true),
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
  DepthwiseConv2dNativeBackpropInput: (call, graph) => inputGradient(call, graph, true),
  FusedBatchNorm: batchNorm,
  FusedConv2D: (call, graph) => convolve(call, graph, false),
  FusedDepthwiseConv2D: (call, graph) => convolve(call, graph, true),
};
