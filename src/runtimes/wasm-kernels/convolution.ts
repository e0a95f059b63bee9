import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { TransferKitError } from '../../errors.js';
import { gatherColumns, scatterColumns, type Window } from './columns.js';
import { elementwise } from './native-calls.js';
import { multiply } from './multiply.js';
import { transposeMatrices } from './transpose-matrices.js';
import { addressOf, floatsOf, withScratch, type Kernel, type KernelCall, type KernelFactory, type Scratch } from './wasm-backend.js';

type Four = [number, number, number, number];

/** Numbers in one block of columns: 16 MB, so that memory does not grow with the batch. */
const BLOCK = 4_194_304;

/** Reads strides and padding as tfjs does. Dilation is always 1: tfjs has no gradient for a dilated convolution. */
function windowOf({ attrs }: KernelCall, inputShape: readonly number[], filterShape: readonly number[]): Window {
  if (attrs['dataFormat'] !== 'NHWC')
    throw new TransferKitError(
      'unsupported',
      `the gradient of conv2d on wasm takes dataFormat NHWC, received ${String(attrs['dataFormat'])}`,
    );
  return backend_util.computeConv2DInfo(
    [...inputShape] as Four,
    [...filterShape] as Four,
    attrs['strides'] as number | [number, number],
    1,
    attrs['pad'] as number | 'valid' | 'same',
    attrs['dimRoundingMode'] as 'floor' | 'round' | 'ceil',
  );
}

/** A filter of one pixel that sees each input pixel once: the convolution is a matrix product of pixels. */
function isPointwise({ filterHeight, filterWidth, strideHeight, strideWidth, padInfo }: Window): boolean {
  const padded = padInfo.top + padInfo.bottom + padInfo.left + padInfo.right;
  return filterHeight * filterWidth * strideHeight * strideWidth === 1 && padded === 0;
}

const imagesPerBlock = ({ outHeight, outWidth, filterHeight, filterWidth, inChannels }: Window): number =>
  Math.max(1, Math.floor(BLOCK / Math.max(1, outHeight * outWidth * filterHeight * filterWidth * inChannels)));

/** Calls for one run of images after another. */
function forBlocks(window: Window, body: (first: number, images: number) => void): void {
  const step = imagesPerBlock(window);
  for (let first = 0; first < window.batchSize; first += step) body(first, Math.min(step, window.batchSize - first));
}

function addInto(scratch: Scratch, sum: TensorInfo, x: TensorInfo): void {
  const [target, source] = [sum, x].map((one) => ({ address: addressOf(scratch.backend, one), shape: one.shape }));
  elementwise(scratch.backend.wasm, 'Add', target!, source!, target!);
}

/** One block of images: columns [height * width * channels, pixels] times dy [pixels, outChannels]. */
function filterBlock(scratch: Scratch, x: TensorInfo, dy: TensorInfo, window: Window, first: number, images: number): TensorInfo {
  const { inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, filterHeight, filterWidth } = window;
  const [inPixels, outPixels] = [images * inHeight * inWidth, images * outHeight * outWidth];
  const part = scratch.view(x, [inPixels, inChannels], first * inHeight * inWidth * inChannels);
  const planes = transposeMatrices(scratch, part, 1, inPixels, inChannels); // channel by channel, so that columns are written in order
  const columns = scratch.empty([filterHeight * filterWidth * inChannels, outPixels]);
  gatherColumns(
    floatsOf(scratch.backend, { ...planes, shape: [inPixels * inChannels] }),
    floatsOf(scratch.backend, columns),
    window,
    images,
  );
  scratch.drop(planes);
  const change = scratch.view(dy, [outPixels, outChannels], first * outHeight * outWidth * outChannels);
  const out = multiply(scratch, columns, change);
  scratch.drop(columns);
  return { ...out, shape: [filterHeight * filterWidth * inChannels, outChannels] };
}

/** `Conv2DBackpropFilter`: x [batch, height, width, channels], dy [.., outChannels] -> [filterHeight, filterWidth, channels, outChannels]. */
export const conv2DBackpropFilter: Kernel = (call) => {
  const [x, dy] = [call.inputs['x']!, call.inputs['dy']!];
  const filterShape = call.attrs['filterShape'] as number[];
  const window = windowOf(call, x.shape, filterShape);
  return withScratch(call.backend, (scratch) => {
    const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = window;
    if (isPointwise(window)) {
      const pixels = batchSize * inHeight * inWidth;
      const product = multiply(scratch, { ...x, shape: [pixels, inChannels] }, { ...dy, shape: [pixels, outChannels] }, true);
      return scratch.release(product, filterShape);
    }
    if (batchSize * outHeight * outWidth === 0) return scratch.release(scratch.zeros(filterShape), filterShape);
    let sum: TensorInfo | undefined;
    forBlocks(window, (first, images) => {
      const part = filterBlock(scratch, x, dy, window, first, images);
      if (sum === undefined) return void (sum = part);
      addInto(scratch, sum, part);
      scratch.drop(part);
    });
    return scratch.release(sum!, filterShape);
  });
};

/** The filter turned by half a turn and with its channels exchanged: [height, width, in, out] -> [height, width, out, in]. */
function turnFilter(scratch: Scratch, filter: TensorInfo, { filterHeight, filterWidth, inChannels, outChannels }: Window): TensorInfo {
  const taps = filterHeight * filterWidth;
  const exchanged = transposeMatrices(scratch, filter, taps, inChannels, outChannels);
  const out = scratch.empty([filterHeight, filterWidth, outChannels, inChannels]);
  const size = inChannels * outChannels;
  const [from, to] = [floatsOf(scratch.backend, { ...exchanged, shape: [taps * size] }), floatsOf(scratch.backend, out)];
  for (let tap = 0; tap < taps; tap++) to.set(from.subarray(tap * size, (tap + 1) * size), (taps - 1 - tap) * size);
  return out;
}

/** Padding with which a convolution of dy gives the input's size back; undefined when it would be negative. */
function backwardPadding({ filterHeight, filterWidth, inHeight, inWidth, outHeight, outWidth, padInfo }: Window): number[][] | undefined {
  const [top, left] = [filterHeight - 1 - padInfo.top, filterWidth - 1 - padInfo.left];
  const [bottom, right] = [inHeight - outHeight + filterHeight - 1 - top, inWidth - outWidth + filterWidth - 1 - left];
  return Math.min(top, left, bottom, right) < 0
    ? undefined
    : [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ];
}

/** With a stride: dy times the transposed filter gives what each window owes its pixels, and these are added up. */
function scatterGradient(scratch: Scratch, dy: TensorInfo, filter: TensorInfo, window: Window): TensorInfo {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, filterHeight, filterWidth } = window;
  const out = scratch.zeros([batchSize, inHeight, inWidth, inChannels]);
  const matrix = { ...filter, shape: [filterHeight * filterWidth * inChannels, outChannels] };
  const imageSize = inHeight * inWidth * inChannels;
  forBlocks(window, (first, images) => {
    const change = scratch.view(dy, [images * outHeight * outWidth, outChannels], first * outHeight * outWidth * outChannels);
    const columns = multiply(scratch, change, matrix, false, true);
    const target = floatsOf(scratch.backend, out).subarray(first * imageSize, (first + images) * imageSize);
    scatterColumns(floatsOf(scratch.backend, columns), target, window, images);
    scratch.drop(columns);
  });
  return out;
}

function inputGradient(scratch: Scratch, dy: TensorInfo, filter: TensorInfo, window: Window): TensorInfo {
  const { inChannels, outChannels, batchSize, inHeight, inWidth, strideHeight, strideWidth } = window;
  if (isPointwise(window)) {
    const pixels = { ...dy, shape: [batchSize * inHeight * inWidth, outChannels] };
    return multiply(scratch, pixels, { ...filter, shape: [inChannels, outChannels] }, false, true);
  }
  const pad = strideHeight * strideWidth === 1 ? backwardPadding(window) : undefined;
  if (pad === undefined) return scatterGradient(scratch, dy, filter, window);
  const turned = turnFilter(scratch, filter, window);
  return scratch.run('Conv2D', { x: dy, filter: turned }, { strides: [1, 1], pad, dilations: [1, 1], dataFormat: 'NHWC' });
}

/** `Conv2DBackpropInput`: tfjs's kernel is a plain loop. Here a product or a convolution by XNNPACK. */
export const conv2DBackpropInput: KernelFactory = (stock) => (call) => {
  const [dy, filter] = [call.inputs['dy']!, call.inputs['filter']!];
  const inputShape = call.attrs['inputShape'] as number[];
  if (call.attrs['dataFormat'] !== 'NHWC' || dy.shape.includes(0) || inputShape.includes(0)) return stock(call);
  const window = windowOf(call, inputShape, filter.shape);
  return withScratch(call.backend, (scratch) => scratch.release(inputGradient(scratch, dy, filter, window), inputShape));
};
