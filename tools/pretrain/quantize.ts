import type { StorableTensor } from '../../src/weights/write-safetensors.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';

/** A tensor as it is stored: rounded to 8 bits with its scale, or as it is. */
export interface Quantized {
  readonly stored: StorableTensor;
  /** float32, of as many axes as the tensor, all 1 but one; absent where nothing was rounded. */
  readonly scale?: TensorValue;
}

/** The axis whose channels have a scale each: rows of a table, channels of a depthwise kernel, else what comes out. */
function scaledAxis(name: string, rank: number): number {
  if (name.endsWith('/embeddings')) return 0;
  return name.endsWith('/depthwise_kernel') ? 2 : rank - 1;
}

/**
 * Rounds a tensor with two axes or more to whole numbers -127 to 127, each channel by its largest value. Others stay: they are small,
 * and norms and biases are where rounding shows most.
 * @param name - our name of the weight, which tells what its axes are
 */
export function quantize(name: string, { shape, values }: TensorValue): Quantized {
  if (shape.length < 2 || !(values instanceof Float32Array)) return { stored: { shape, values } };
  const axis = scaledAxis(name, shape.length);
  const channels = shape[axis]!;
  const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const channelOf = (index: number): number => Math.floor(index / inner) % channels;
  const scales = new Float32Array(channels);
  values.forEach((value, index) => (scales[channelOf(index)] = Math.max(scales[channelOf(index)]!, Math.abs(value))));
  scales.forEach((largest, channel) => (scales[channel] = largest / 127));
  const rounded = Int8Array.from(values, (value, index) => {
    const scale = scales[channelOf(index)]!;
    return scale === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(value / scale)));
  });
  return { stored: { shape, values: rounded }, scale: { shape: shape.map((size, each) => (each === axis ? size : 1)), values: scales } };
}
