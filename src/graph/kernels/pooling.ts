import { backend_util } from '@tensorflow/tfjs-core';
import { notRecordable } from '../graph-builder.js';
import type { KernelCall } from '../traced.js';
import { reaching, spatial, spreadBack, type Info } from './convolution.js';
import { attribute, input, type GraphKernel, type KernelTable } from './kernel.js';

/** The geometry of a pooling, by tfjs's own rules. */
function pooling(call: KernelCall, shape: readonly number[]): Info {
  const info = reaching(
    backend_util.computePool2DInfo(
      shape as [number, number, number, number],
      attribute(call, 'filterSize'),
      attribute(call, 'strides'),
      1,
      attribute(call, 'pad'),
      attribute(call, 'dimRoundingMode'),
    ),
  );
  const { top, left, bottom, right } = info.padInfo;
  if (Math.max(top, bottom) >= info.filterHeight || Math.max(left, right) >= info.filterWidth)
    throw notRecordable('a pooling with windows that see nothing but padding');
  return info;
}

const settings = (info: Info): Record<string, number[]> => {
  const { kernel_shape, strides, pads } = spatial(info);
  return { kernel_shape: kernel_shape!, strides: strides!, pads: pads! };
};

const maxPool: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const info = pooling(call, x.shape);
  const name = graph.node('MaxPool', [graph.name(x, 'channels-first')], settings(info));
  return graph.traced(name, info.outShape, 'float32', 'channels-first');
};

const averagePool: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const info = pooling(call, x.shape);
  const name = graph.node('AveragePool', [graph.name(x, 'channels-first')], { ...settings(info), count_include_pad: 0 });
  return graph.traced(name, info.outShape, 'float32', 'channels-first');
};

/** The upstream gradient goes to the place that the greatest value came from. */
const maxPoolGradient: GraphKernel = (call, graph) => {
  const [dy, x] = [input(call, 'dy'), input(call, 'input')];
  const info = pooling(call, x.shape);
  const [, places] = graph.nodeWith('MaxPool', [graph.name(x, 'channels-first')], 2, settings(info));
  const size = info.batchSize * info.inChannels * info.inHeight * info.inWidth;
  const zeros = graph.name(graph.filled(0, [size]));
  const flat = [graph.reshape(places!, [-1]), graph.reshape(graph.name(dy, 'channels-first'), [-1])];
  const spread = graph.node('ScatterElements', [zeros, ...flat], { axis: 0, reduction: 'add' });
  const whole = graph.reshape(spread, [info.batchSize, info.inChannels, info.inHeight, info.inWidth]);
  return graph.traced(whole, x.shape, 'float32', 'channels-first');
};

/**
 * Each place gets the share of a full window from all windows that it lies in: tfjs counts the padding here, as its average itself does
 * not. Every channel is a picture of its own, so that one small filter serves them all.
 */
const averagePoolGradient: GraphKernel = (call, graph) => {
  const [dy, x] = [input(call, 'dy'), input(call, 'input')];
  const info = pooling(call, x.shape);
  const pictures = info.batchSize * info.inChannels;
  const filter = graph.filled(Math.fround(1 / (info.filterHeight * info.filterWidth)), [info.filterHeight, info.filterWidth, 1, 1]);
  const upstream = graph.reshape(graph.name(dy, 'channels-first'), [pictures, 1, info.outHeight, info.outWidth]);
  const spread = spreadBack(graph, upstream, filter, { ...info, inChannels: 1, outChannels: 1 }, true);
  const whole = graph.reshape(spread, [info.batchSize, info.inChannels, info.inHeight, info.inWidth]);
  return graph.traced(whole, x.shape, 'float32', 'channels-first');
};

export const poolingKernels: KernelTable = {
  AvgPool: averagePool,
  AvgPoolGrad: averagePoolGradient,
  MaxPool: maxPool,
  MaxPoolGrad: maxPoolGradient,
};
