import { backend_util } from '@tensorflow/tfjs-core';
import type { KernelFactory } from './wasm-backend.js';

type Four = [number, number, number, number];

const pair = (value: unknown): readonly [number, number] => (typeof value === 'number' ? [value, value] : (value as [number, number]));

/**
 * Convolutions with padding `same` and a stride longer than the filter. There XNNPACK's own reckoning of `same` goes below zero and the
 * result is wrong (tfjs issue 6629), so the padding is given in numbers.
 */
export const explicitSamePadding =
  (isDepthwise: boolean): KernelFactory =>
  (stock) =>
  (call) => {
    const { inputs, attrs } = call;
    const [x, filter] = [inputs['x']!.shape as Four, inputs['filter']!.shape as Four];
    const [strides, dilations] = [pair(attrs['strides']), pair(attrs['dilations'] ?? 1)];
    if (attrs['pad'] !== 'same' || (strides[0] <= filter[0] && strides[1] <= filter[1])) return stock(call);
    const { padInfo } = backend_util.computeConv2DInfo(x, filter, [...strides], [...dilations], 'same', undefined, isDepthwise);
    const { top, bottom, left, right } = padInfo;
    const pad = [[0, 0], [top, bottom], [left, right], [0, 0]]; // prettier-ignore
    return stock({ ...call, attrs: { ...attrs, pad } });
  };
