import { backend_util } from '@tensorflow/tfjs-core';
import { floatsOf, type Kernel } from './wasm-backend.js';

type Info = backend_util.Conv2DInfo;

/** Where windows lie along one axis: from the first place of the input that a window sees to behind its last. */
const reach = (index: number, stride: number, padding: number, size: number, length: number): readonly [number, number] => [
  Math.max(0, index * stride - padding),
  Math.min(length, index * stride - padding + size),
];

/** Finds the greatest value of a window for each channel; of equals the first. @param places where each of them is, in the whole input */
function findGreatest(values: Float32Array, info: Info, [batch, row, column]: readonly number[], places: Int32Array): void {
  const { inHeight, inWidth, inChannels, padInfo } = info;
  const [top, bottom] = reach(row!, info.strideHeight, padInfo.top, info.filterHeight, inHeight);
  const [left, right] = reach(column!, info.strideWidth, padInfo.left, info.filterWidth, inWidth);
  places.fill(-1);
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++) {
      const start = ((batch! * inHeight + y) * inWidth + x) * inChannels;
      for (let channel = 0; channel < inChannels; channel++) {
        const best = places[channel]!;
        if (best < 0 || values[start + channel]! > values[best]!) places[channel] = start + channel;
      }
    }
}

/** What tfjs tells of a pooling. */
interface Pooling {
  readonly filterSize: [number, number] | number;
  readonly strides: [number, number] | number;
  readonly pad: 'valid' | 'same' | number;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

function geometry(shape: readonly number[], { filterSize, strides, pad, dimRoundingMode }: Pooling): Info {
  return backend_util.computePool2DInfo(shape as [number, number, number, number], filterSize, strides, 1, pad, dimRoundingMode);
}

/**
 * `MaxPoolGrad`: the gradient of each window goes to its greatest value. tfjs's own looks for one above zero, and gives the gradient of a
 * window without such a value to a wrong place.
 */
export const maxPoolGrad: Kernel = ({ inputs, attrs, backend }) => {
  const [input, dy] = [inputs['input']!, inputs['dy']!];
  const info = geometry(input.shape, attrs as unknown as Pooling);
  const out = backend.makeOutput(input.shape, 'float32');
  const [values, upstream, gradient] = [floatsOf(backend, input), floatsOf(backend, dy), floatsOf(backend, out)];
  gradient.fill(0);
  const places = new Int32Array(info.inChannels);
  let next = 0;
  for (let batch = 0; batch < info.batchSize; batch++)
    for (let row = 0; row < info.outHeight; row++)
      for (let column = 0; column < info.outWidth; column++) {
        findGreatest(values, info, [batch, row, column], places);
        for (const place of places) {
          if (place >= 0) gradient[place]! += upstream[next]!;
          next++;
        }
      }
  return out;
};
