import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { insideRange, type Window } from './columns.js';
import { phasesOf, tapsOf, visitShared, type Phase } from './image-grid.js';
import { elementwise } from './native-calls.js';
import { addRows } from './sum-axes.js';
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

/** One output per channel, and not stride with dilation: then each filter position is a shift within a phase, and SIMD does the work. */
function isShift({ strideHeight, strideWidth, dilationHeight, dilationWidth, inChannels, outChannels }: Window): boolean {
  return inChannels === outChannels && (strideHeight * strideWidth === 1 || dilationHeight * dilationWidth === 1);
}

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

/** Copies the pixels of a phase into a grid of zeros [batch, height, width, channels]. */
function layOut(scratch: Scratch, x: TensorInfo, phase: Phase, window: Window): TensorInfo {
  const out = scratch.zeros([window.batchSize, phase.height, phase.width, window.inChannels]);
  const heap = scratch.backend.wasm.HEAPF32;
  const [from, to] = [addressOf(scratch.backend, x) >>> 2, addressOf(scratch.backend, out) >>> 2];
  visitShared(window, phase, (image, grid, count) => heap.copyWithin(to + grid, from + image, from + image + count));
  return out;
}

/** dy in the grid of a phase: its rows keep their order, with zeros after each. */
function layOutChange(scratch: Scratch, dy: TensorInfo, phase: Phase, window: Window): TensorInfo {
  const { outHeight, outWidth, batchSize, inChannels } = window;
  const padInfo = { ...window.padInfo, top: 0, left: 0 };
  const whole = { ...window, inHeight: outHeight, inWidth: outWidth, batchSize, inChannels, strideHeight: 1, strideWidth: 1, padInfo };
  return layOut(scratch, dy, { ...phase, y: 0, x: 0 }, whole);
}

/** Where one run of pixels lies: addresses in bytes. */
interface Run {
  readonly x: number;
  readonly dy: number;
  readonly sums: number;
  readonly work: number;
  readonly pixels: number;
}

/** Adds the sum over pixels of x[pixel + shift] * dy[pixel], for each filter position of the phase, to the sums [taps, channels]. */
function addTaps(scratch: Scratch, { x, dy, sums, work, pixels }: Run, phase: Phase, window: Window): void {
  const { wasm } = scratch.backend;
  const { dilationHeight, dilationWidth, inChannels } = window;
  for (const { tap, row, column } of tapsOf(phase, window)) {
    const shift = row * dilationHeight * phase.width + column * dilationWidth;
    const at = (address: number) => ({ address, shape: [pixels * inChannels] });
    elementwise(wasm, 'Multiply', at(x + 4 * shift * inChannels), at(dy), at(work));
    addRows(wasm, work, pixels, inChannels, work, work);
    const [sum, part] = [sums + 4 * tap * inChannels, work].map((address) => ({ address, shape: [inChannels] }));
    elementwise(wasm, 'Add', sum!, part!, sum!);
  }
}

/** x and dy in one grid: each filter position is a product of two pieces of memory and a sum of rows, both in SIMD. */
function addPhase(scratch: Scratch, x: TensorInfo, dy: TensorInfo, out: TensorInfo, phase: Phase, window: Window): void {
  const { backend } = scratch;
  const { batchSize, inChannels, dilationHeight, dilationWidth } = window;
  const [image, change] = [layOut(scratch, x, phase, window), layOutChange(scratch, dy, phase, window)];
  const step = Math.max(1, Math.floor(BLOCK / inChannels));
  const work = scratch.empty([step, inChannels]);
  // The last pixels of the grid hold no dy, and a shift from there would leave the memory.
  const pixels =
    batchSize * phase.height * phase.width - (phase.tapsY - 1) * dilationHeight * phase.width - (phase.tapsX - 1) * dilationWidth;
  for (let first = 0; first < pixels; first += step) {
    const [from, dyFrom] = [image, change].map((one) => addressOf(backend, one, first * inChannels)) as [number, number];
    const run = {
      x: from,
      dy: dyFrom,
      sums: addressOf(backend, out),
      work: addressOf(backend, work),
      pixels: Math.min(step, pixels - first),
    };
    addTaps(scratch, run, phase, window);
  }
  for (const one of [image, change, work]) scratch.drop(one);
}

function filterByShifts(scratch: Scratch, x: TensorInfo, dy: TensorInfo, filterShape: readonly number[], window: Window): TensorInfo {
  const out = scratch.zeros(filterShape);
  for (const phase of phasesOf(window)) addPhase(scratch, x, dy, out, phase, window);
  return out;
}

/** `DepthwiseConv2dNativeBackpropFilter`: -> [filterHeight, filterWidth, channels, multiplier]. */
export const depthwiseConv2dNativeBackpropFilter: Kernel = (call) => {
  const [x, dy] = [call.inputs['x']!, call.inputs['dy']!];
  const filterShape = call.attrs['filterShape'] as number[];
  const window = windowOf(call, x.shape, filterShape);
  const gradient = isShift(window) && !x.shape.includes(0) && !dy.shape.includes(0) ? filterByShifts : filterByPixels;
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

/** The filter positions of a phase, turned by half a turn. */
function turnFilter(scratch: Scratch, filter: TensorInfo, phase: Phase, window: Window): TensorInfo {
  const { inChannels } = window;
  const out = scratch.empty([phase.tapsY, phase.tapsX, inChannels, 1]);
  const [from, to] = [floatsOf(scratch.backend, filter), floatsOf(scratch.backend, out)];
  const taps = tapsOf(phase, window);
  taps.forEach(({ tap }, index) => {
    to.set(from.subarray(tap * inChannels, (tap + 1) * inChannels), (taps.length - 1 - index) * inChannels);
  });
  return out;
}

/** A depthwise convolution of dy by XNNPACK. */
function convolve(
  scratch: Scratch,
  dy: TensorInfo,
  filter: TensorInfo,
  [top, bottom, left, right]: readonly number[],
  window: Window,
): TensorInfo {
  const pad = [[0, 0], [top, bottom], [left, right], [0, 0]]; // prettier-ignore
  const attrs = { strides: [1, 1], pad, dilations: [window.dilationHeight, window.dilationWidth] };
  return scratch.run('DepthwiseConv2dNative', { x: dy, filter }, attrs);
}

/** Padding with which the convolution of dy gives the input's size back, without stride; undefined when it would be negative. */
function backwardPadding(window: Window): number[] | undefined {
  const { filterHeight, filterWidth, dilationHeight, dilationWidth, inHeight, inWidth, outHeight, outWidth, padInfo } = window;
  if (window.strideHeight * window.strideWidth !== 1) return undefined;
  const [reachY, reachX] = [(filterHeight - 1) * dilationHeight, (filterWidth - 1) * dilationWidth];
  const [top, left] = [reachY - padInfo.top, reachX - padInfo.left];
  const pad = [top, inHeight - outHeight + reachY - top, left, inWidth - outWidth + reachX - left];
  return Math.min(...pad) < 0 ? undefined : pad;
}

/** Each phase of the input is a convolution of dy with the filter positions that look at it, in a grid with padding around. */
function inputByPhases(scratch: Scratch, dy: TensorInfo, filter: TensorInfo, inputShape: readonly number[], window: Window): TensorInfo {
  const out = scratch.zeros(inputShape);
  for (const phase of phasesOf(window)) {
    const [reachY, reachX] = [(phase.tapsY - 1) * window.dilationHeight, (phase.tapsX - 1) * window.dilationWidth];
    const turned = turnFilter(scratch, filter, phase, window);
    const grid = convolve(scratch, dy, turned, [reachY, reachY, reachX, reachX], window);
    const heap = scratch.backend.wasm.HEAPF32;
    const [from, to] = [addressOf(scratch.backend, grid) >>> 2, addressOf(scratch.backend, out) >>> 2];
    visitShared(window, phase, (image, place, count) => heap.copyWithin(to + image, from + place, from + place + count));
    scratch.drop(grid);
  }
  return out;
}

function inputGradient(scratch: Scratch, dy: TensorInfo, filter: TensorInfo, inputShape: readonly number[], window: Window): TensorInfo {
  if (dy.shape.includes(0) || !isShift(window)) return inputByPixels(scratch, dy, filter, inputShape, window);
  const pad = backwardPadding(window);
  if (pad === undefined) return inputByPhases(scratch, dy, filter, inputShape, window);
  return convolve(scratch, dy, turnFilter(scratch, filter, phasesOf(window)[0]!, window), pad, window);
}

/** `DepthwiseConv2dNativeBackpropInput`: a depthwise convolution of dy with the turned filter, phase by phase where there is a stride. */
export const depthwiseConv2dNativeBackpropInput: Kernel = (call) => {
  const [dy, filter] = [call.inputs['dy']!, call.inputs['filter']!];
  const inputShape = call.attrs['inputShape'] as number[];
  const window = windowOf(call, inputShape, filter.shape);
  return withScratch(call.backend, (scratch) => scratch.release(inputGradient(scratch, dy, filter, inputShape, window), inputShape));
};
