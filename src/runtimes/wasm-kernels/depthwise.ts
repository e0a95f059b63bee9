import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { insideRange, type Window } from './columns.js';
import { addRows } from './sum-axes.js';
import { elementwise } from './native-calls.js';
import { addressOf, floatsOf, withScratch, type Kernel, type KernelCall, type Scratch } from './wasm-backend.js';

type Four = [number, number, number, number];

/** Numbers handled at a time in the filter gradient: three such blocks stay in the second-level cache. */
const BLOCK = 65_536;

function windowOf({ attrs }: KernelCall, inputShape: readonly number[], filterShape: readonly number[]): Window {
  return backend_util.computeConv2DInfo(
    [...inputShape] as Four,
    [...filterShape] as Four,
    attrs['strides'] as number | [number, number],
    attrs['dilations'] as number | [number, number],
    attrs['pad'] as number | 'valid' | 'same',
    attrs['dimRoundingMode'] as 'floor' | 'round' | 'ceil',
    true,
  );
}

/** Without stride and with one output per channel, each tap is a shift of the whole image. */
const isPlain = ({ strideHeight, strideWidth, inChannels, outChannels }: Window): boolean =>
  strideHeight * strideWidth === 1 && inChannels === outChannels;

/** One filter position at one row of outputs: where its input and output rows start, and which outputs see a real input. */
type Visit = (inStart: number, outStart: number, tap: number, first: number, end: number) => void;

/** Calls for each row of outputs and each filter position that meets the image. Starts count numbers, not pixels. */
function visitRows(window: Window, visit: Visit): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, filterHeight, filterWidth } = window;
  const { strideHeight, strideWidth, dilationHeight, dilationWidth, padInfo } = window;
  for (let row = 0; row < batchSize * outHeight; row++) {
    const [image, y] = [Math.floor(row / outHeight), row % outHeight];
    for (let tap = 0; tap < filterHeight * filterWidth; tap++) {
      const inY = y * strideHeight + Math.floor(tap / filterWidth) * dilationHeight - padInfo.top;
      if (inY < 0 || inY >= inHeight) continue;
      const across = insideRange((tap % filterWidth) * dilationWidth, padInfo.left, strideWidth, inWidth, outWidth);
      visit(((image * inHeight + inY) * inWidth + across.start) * inChannels, row * outWidth * outChannels, tap, across.first, across.end);
    }
  }
}

/** target += a * b for `count` numbers. By itself, so that the compiler sees three plain arrays and nothing else. */
function multiplyAdd(
  target: Float32Array,
  at: number,
  a: Float32Array,
  fromA: number,
  b: Float32Array,
  fromB: number,
  count: number,
): void {
  for (let index = 0; index < count; index++) target[at + index]! += a[fromA + index]! * b[fromB + index]!;
}

/** One output pixel at one filter position: where its input, its output and its weights start. */
type PixelVisit = (input: number, output: number, weight: number) => void;

function visitPixels(window: Window, visit: PixelVisit): void {
  const { inChannels, outChannels, strideWidth } = window;
  visitRows(window, (inStart, outStart, tap, first, end) => {
    for (let x = first; x < end; x++) visit(inStart + x * strideWidth * inChannels, outStart + x * outChannels, tap * outChannels);
  });
}

const threeFloats = (scratch: Scratch, ...tensors: readonly TensorInfo[]) =>
  tensors.map((one) => floatsOf(scratch.backend, one)) as [Float32Array, Float32Array, Float32Array];

/** Any stride and multiplier: pixel by pixel in JavaScript. */
function filterByPixels(scratch: Scratch, x: TensorInfo, dy: TensorInfo, filterShape: readonly number[], window: Window): TensorInfo {
  const out = scratch.zeros(filterShape);
  const [inputs, changes, sums] = threeFloats(scratch, x, dy, out);
  const { inChannels, outChannels } = window;
  const multiplier = outChannels / inChannels;
  if (multiplier === 1)
    visitPixels(window, (input, output, weight) => multiplyAdd(sums, weight, inputs, input, changes, output, inChannels));
  else {
    visitPixels(window, (input, output, weight) => {
      for (let channel = 0; channel < outChannels; channel++) {
        sums[weight + channel]! += inputs[input + Math.floor(channel / multiplier)]! * changes[output + channel]!;
      }
    });
  }
  return out;
}

/** Sizes of the padded image, in which every tap is the same shift everywhere. */
interface Grid {
  readonly height: number;
  readonly width: number;
}

const gridOf = ({ outHeight, outWidth, filterHeight, filterWidth, dilationHeight, dilationWidth }: Window): Grid => ({
  height: outHeight + (filterHeight - 1) * dilationHeight,
  width: outWidth + (filterWidth - 1) * dilationWidth,
});

/** Copies images [batch, height, width, channels] into a grid of zeros, moved down and right; what falls outside is cut. */
function placeInGrid(scratch: Scratch, x: TensorInfo, grid: Grid, down: number, right: number): TensorInfo {
  const [batch, height, width, channels] = x.shape as Four;
  const out = scratch.zeros([batch, grid.height, grid.width, channels]);
  const [from, to] = [floatsOf(scratch.backend, x), floatsOf(scratch.backend, out)];
  const [firstX, endX] = [Math.max(0, -right), Math.min(width, grid.width - right)];
  for (let row = 0; row < batch * height && endX > firstX; row++) {
    const [image, y] = [Math.floor(row / height), (row % height) + down];
    if (y < 0 || y >= grid.height) continue;
    const start = row * width * channels;
    to.set(
      from.subarray(start + firstX * channels, start + endX * channels),
      ((image * grid.height + y) * grid.width + right + firstX) * channels,
    );
  }
  return out;
}

/** Adds sum over pixels of x[pixel + shift] * dy[pixel], for one run of pixels and each tap, to the sums [taps, channels]. */
function addTaps(
  scratch: Scratch,
  addresses: { x: number; dy: number; sums: number; work: number },
  pixels: number,
  window: Window,
  grid: Grid,
): void {
  const { wasm } = scratch.backend;
  const { filterHeight, filterWidth, dilationHeight, dilationWidth, inChannels } = window;
  for (let tap = 0; tap < filterHeight * filterWidth; tap++) {
    const shift = Math.floor(tap / filterWidth) * dilationHeight * grid.width + (tap % filterWidth) * dilationWidth;
    const at = (address: number) => ({ address, shape: [pixels * inChannels] });
    elementwise(wasm, 'Multiply', at(addresses.x + 4 * shift * inChannels), at(addresses.dy), at(addresses.work));
    addRows(wasm, addresses.work, pixels, inChannels, addresses.work, addresses.work);
    const [sum, part] = [addresses.sums + 4 * tap * inChannels, addresses.work].map((address) => ({ address, shape: [inChannels] }));
    elementwise(wasm, 'Add', sum!, part!, sum!);
  }
}

/** Stride 1: x and dy in one grid; each tap is a product of two pieces of memory and a sum of rows, both in SIMD. */
function filterByShifts(scratch: Scratch, x: TensorInfo, dy: TensorInfo, filterShape: readonly number[], window: Window): TensorInfo {
  const { backend } = scratch;
  const { batchSize, inChannels, padInfo, filterHeight, filterWidth, dilationHeight, dilationWidth } = window;
  const grid = gridOf(window);
  const [image, change] = [placeInGrid(scratch, x, grid, padInfo.top, padInfo.left), placeInGrid(scratch, dy, grid, 0, 0)];
  const out = scratch.zeros(filterShape);
  const step = Math.max(1, Math.floor(BLOCK / inChannels));
  const work = scratch.empty([step, inChannels]);
  // The last pixels of the grid hold no dy, and a shift from there would leave the memory.
  const pixels =
    batchSize * grid.height * grid.width - (filterHeight - 1) * dilationHeight * grid.width - (filterWidth - 1) * dilationWidth;
  for (let first = 0; first < pixels; first += step) {
    const [from, dyFrom] = [image, change].map((one) => addressOf(backend, one, first * inChannels)) as [number, number];
    addTaps(
      scratch,
      { x: from, dy: dyFrom, sums: addressOf(backend, out), work: addressOf(backend, work) },
      Math.min(step, pixels - first),
      window,
      grid,
    );
  }
  return out;
}

/** `DepthwiseConv2dNativeBackpropFilter`: -> [filterHeight, filterWidth, channels, multiplier]. */
export const depthwiseConv2dNativeBackpropFilter: Kernel = (call) => {
  const [x, dy] = [call.inputs['x']!, call.inputs['dy']!];
  const filterShape = call.attrs['filterShape'] as number[];
  const window = windowOf(call, x.shape, filterShape);
  const gradient = isPlain(window) && !x.shape.includes(0) && !dy.shape.includes(0) ? filterByShifts : filterByPixels;
  return withScratch(call.backend, (scratch) => scratch.release(gradient(scratch, x, dy, filterShape, window), filterShape));
};

/** Any stride and multiplier: each output gives back to the pixels it saw. */
function inputByPixels(scratch: Scratch, dy: TensorInfo, filter: TensorInfo, inputShape: readonly number[], window: Window): TensorInfo {
  const out = scratch.zeros(inputShape);
  const [sums, changes, weights] = threeFloats(scratch, out, dy, filter);
  const { inChannels, outChannels } = window;
  const multiplier = outChannels / inChannels;
  if (multiplier === 1)
    visitPixels(window, (input, output, weight) => multiplyAdd(sums, input, weights, weight, changes, output, inChannels));
  else {
    visitPixels(window, (input, output, weight) => {
      for (let channel = 0; channel < outChannels; channel++) {
        sums[input + Math.floor(channel / multiplier)]! += weights[weight + channel]! * changes[output + channel]!;
      }
    });
  }
  return out;
}

/** The filter turned by half a turn. */
function turnFilter(scratch: Scratch, filter: TensorInfo, { filterHeight, filterWidth, inChannels }: Window): TensorInfo {
  const out = scratch.empty(filter.shape);
  const [from, to] = [floatsOf(scratch.backend, filter), floatsOf(scratch.backend, out)];
  const last = filterHeight * filterWidth - 1;
  for (let tap = 0; tap <= last; tap++) to.set(from.subarray(tap * inChannels, (tap + 1) * inChannels), (last - tap) * inChannels);
  return out;
}

/** Padding with which a depthwise convolution of dy gives the input's size back; undefined when it would be negative. */
function backwardPadding(window: Window): number[][] | undefined {
  const { filterHeight, filterWidth, dilationHeight, dilationWidth, inHeight, inWidth, outHeight, outWidth, padInfo } = window;
  const [reachY, reachX] = [(filterHeight - 1) * dilationHeight, (filterWidth - 1) * dilationWidth];
  const [top, left] = [reachY - padInfo.top, reachX - padInfo.left];
  const [bottom, right] = [inHeight - outHeight + reachY - top, inWidth - outWidth + reachX - left];
  return Math.min(top, left, bottom, right) < 0
    ? undefined
    : [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ];
}

/** `DepthwiseConv2dNativeBackpropInput`: without stride a depthwise convolution of dy with the turned filter. */
export const depthwiseConv2dNativeBackpropInput: Kernel = (call) => {
  const [dy, filter] = [call.inputs['dy']!, call.inputs['filter']!];
  const inputShape = call.attrs['inputShape'] as number[];
  const window = windowOf(call, inputShape, filter.shape);
  const pad = isPlain(window) && !dy.shape.includes(0) ? backwardPadding(window) : undefined;
  return withScratch(call.backend, (scratch) => {
    if (pad === undefined) return scratch.release(inputByPixels(scratch, dy, filter, inputShape, window), inputShape);
    const dilations = [window.dilationHeight, window.dilationWidth];
    const attrs = { strides: [1, 1], pad, dilations };
    return scratch.release(scratch.run('DepthwiseConv2dNative', { x: dy, filter: turnFilter(scratch, filter, window) }, attrs), inputShape);
  });
};
