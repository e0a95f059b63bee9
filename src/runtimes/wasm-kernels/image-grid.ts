import type { Window } from './columns.js';

/**
 * A depthwise convolution with stride s sees s x s interleaved pictures, its phases: phase (y, x) holds every s-th row and column from there on.
 * Within one phase, laid into a grid with its padding, each filter position is the same shift everywhere.
 */
export interface Phase {
  readonly y: number;
  readonly x: number;
  /** Filter rows and columns that look at this phase: y, y + stride, ... */
  readonly tapsY: number;
  readonly tapsX: number;
  /** Size of the grid. */
  readonly height: number;
  readonly width: number;
}

const countTaps = (filterSize: number, first: number, stride: number): number => Math.max(0, Math.ceil((filterSize - first) / stride));

/** The phases that any filter position looks at. Stride and dilation together are for the caller to refuse. */
export function phasesOf(window: Window): Phase[] {
  const { filterHeight, filterWidth, strideHeight, strideWidth, outHeight, outWidth, dilationHeight, dilationWidth } = window;
  const all = Array.from(
    { length: strideHeight * strideWidth },
    (_, index) => [Math.floor(index / strideWidth), index % strideWidth] as const,
  );
  return all.flatMap(([y, x]) => {
    const [tapsY, tapsX] = [countTaps(filterHeight, y, strideHeight), countTaps(filterWidth, x, strideWidth)];
    if (tapsY * tapsX === 0) return [];
    return [{ y, x, tapsY, tapsX, height: outHeight + (tapsY - 1) * dilationHeight, width: outWidth + (tapsX - 1) * dilationWidth }];
  });
}

/** The filter positions of a phase, with their place in the whole filter and among the phase's own. */
export function tapsOf(
  { y, x, tapsY, tapsX }: Phase,
  { filterWidth, strideHeight, strideWidth }: Window,
): { tap: number; row: number; column: number }[] {
  return Array.from({ length: tapsY * tapsX }, (_, index) => {
    const [row, column] = [Math.floor(index / tapsX), index % tapsX];
    return { tap: (y + row * strideHeight) * filterWidth + x + column * strideWidth, row, column };
  });
}

/** Calls for each run of numbers that image and grid share; positions count numbers. */
export function visitShared(window: Window, phase: Phase, visit: (image: number, grid: number, count: number) => void): void {
  const { batchSize, inHeight, inWidth, inChannels, strideHeight, strideWidth, padInfo } = window;
  const first = Math.max(0, Math.ceil((padInfo.left - phase.x) / strideWidth));
  const end = Math.min(phase.width, Math.floor((inWidth - 1 + padInfo.left - phase.x) / strideWidth) + 1);
  const run = strideWidth === 1 ? Math.max(1, end - first) : 1; // pixels side by side in both
  for (let row = 0; row < batchSize * phase.height; row++) {
    const image = Math.floor(row / phase.height);
    const y = (row % phase.height) * strideHeight + phase.y - padInfo.top;
    if (y < 0 || y >= inHeight) continue;
    const line = (image * inHeight + y) * inWidth + phase.x - padInfo.left;
    for (let x = first; x < end; x += run)
      visit((line + x * strideWidth) * inChannels, (row * phase.width + x) * inChannels, run * inChannels);
  }
}
