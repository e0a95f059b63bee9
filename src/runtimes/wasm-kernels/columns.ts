import type { backend_util } from '@tensorflow/tfjs-core';

/** What we use of tfjs's description of a convolution, channels last. */
export type Window = Pick<
  backend_util.Conv2DInfo,
  | 'batchSize'
  | 'inHeight'
  | 'inWidth'
  | 'inChannels'
  | 'outHeight'
  | 'outWidth'
  | 'outChannels'
  | 'filterHeight'
  | 'filterWidth'
  | 'strideHeight'
  | 'strideWidth'
  | 'dilationHeight'
  | 'dilationWidth'
  | 'padInfo'
>;

/** Along one axis: the outputs from `first` up to `end` see a real input at filter position `tap`, the others see padding. */
export function insideRange(
  tap: number,
  padding: number,
  stride: number,
  inSize: number,
  outSize: number,
): { start: number; first: number; end: number } {
  const start = tap - padding; // the input that output 0 sees
  const first = Math.min(outSize, Math.max(0, Math.ceil(-start / stride)));
  const end = Math.max(first, Math.min(outSize, Math.floor((inSize - 1 - start) / stride) + 1));
  return { start, first, end };
}

/** Copies one row of outputs: zeros, then every `stride`-th input, then zeros. */
function gatherRow(
  from: Float32Array,
  source: number,
  to: Float32Array,
  target: number,
  stride: number,
  first: number,
  end: number,
  width: number,
): void {
  for (let x = 0; x < first; x++) to[target + x] = 0;
  for (let x = first; x < end; x++) to[target + x] = from[source + x * stride]!;
  for (let x = end; x < width; x++) to[target + x] = 0;
}

/** One filter position: planes [channels, images, height, width] -> rows [channels, images, outHeight, outWidth] from `target` on. */
function gatherTap(
  planes: Float32Array,
  columns: Float32Array,
  target: number,
  window: Window,
  images: number,
  tapY: number,
  tapX: number,
): void {
  const { inHeight, inWidth, inChannels, outHeight, outWidth, strideHeight, strideWidth, padInfo } = window;
  const rows = insideRange(tapY, padInfo.top, strideHeight, inHeight, outHeight);
  const across = insideRange(tapX, padInfo.left, strideWidth, inWidth, outWidth);
  for (let plane = 0; plane < inChannels * images; plane++) {
    for (let y = 0; y < outHeight; y++) {
      const to = target + (plane * outHeight + y) * outWidth;
      const from = (plane * inHeight + rows.start + y * strideHeight) * inWidth + across.start;
      if (y < rows.first || y >= rows.end) columns.fill(0, to, to + outWidth);
      else gatherRow(planes, from, columns, to, strideWidth, across.first, across.end, outWidth);
    }
  }
}

/** What each window sees: planes [channels, images, height, width] -> columns [filterHeight, filterWidth, channels, images, outHeight, outWidth]. */
export function gatherColumns(planes: Float32Array, columns: Float32Array, window: Window, images: number): void {
  const { filterHeight, filterWidth, inChannels, outHeight, outWidth } = window;
  const size = inChannels * images * outHeight * outWidth;
  for (let tap = 0; tap < filterHeight * filterWidth; tap++) {
    gatherTap(planes, columns, tap * size, window, images, Math.floor(tap / filterWidth), tap % filterWidth);
  }
}

/** Adds one output row at one filter position: columns [outWidth, taps, channels] into pixels [width, channels]. */
function scatterRow(
  columns: Float32Array,
  source: number,
  step: number,
  pixels: Float32Array,
  target: number,
  stride: number,
  first: number,
  end: number,
  channels: number,
): void {
  for (let x = first; x < end; x++) {
    const [from, to] = [source + x * step, target + x * stride * channels];
    for (let channel = 0; channel < channels; channel++) pixels[to + channel]! += columns[from + channel]!;
  }
}

/** The reverse: columns [images, outHeight, outWidth, filterHeight, filterWidth, channels] are added into pixels [images, height, width, channels]. */
export function scatterColumns(columns: Float32Array, pixels: Float32Array, window: Window, images: number): void {
  const { inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = window;
  const step = filterHeight * filterWidth * inChannels;
  for (let row = 0; row < images * outHeight; row++) {
    const [image, y] = [Math.floor(row / outHeight), row % outHeight];
    for (let tap = 0; tap < filterHeight * filterWidth; tap++) {
      const inY = y * strideHeight + Math.floor(tap / filterWidth) - padInfo.top;
      if (inY < 0 || inY >= inHeight) continue;
      const across = insideRange(tap % filterWidth, padInfo.left, strideWidth, inWidth, outWidth);
      const target = ((image * inHeight + inY) * inWidth + across.start) * inChannels;
      scatterRow(
        columns,
        row * outWidth * step + tap * inChannels,
        step,
        pixels,
        target,
        strideWidth,
        across.first,
        across.end,
        inChannels,
      );
    }
  }
}
