import type { TensorInfo, TensorValue } from '../../weights/tensor-value.js';

/** What stands behind the name of a tensor of whole numbers, in the name of the tensor that scales it. */
export const scaleSuffix = '.scale';

/**
 * A tensor of whole numbers times its scale, rounded once to float32.
 * @param stored - [..., channels, ...]
 * @param scale - of as many axes, all 1 but one, which is as long as that axis of `stored`
 */
export function dequantize(stored: TensorValue, scale: TensorValue): TensorValue {
  const axis = Math.max(
    scale.shape.findIndex((size) => size > 1),
    0,
  );
  const channels = scale.values.length;
  const inner = stored.shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const values = new Float32Array(stored.values.length);
  for (let start = 0, channel = 0; start < values.length; start += inner, channel = (channel + 1) % channels) {
    const factor = scale.values[channel]!;
    for (let index = start; index < start + inner; index++) values[index] = stored.values[index]! * factor;
  }
  return { shape: stored.shape, values };
}

/** Tensors by name, as a file has them. */
interface Stored {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly read: (name: string) => Promise<TensorValue>;
}

/** The same tensors with those that have a scale as float32, and without the scales. */
export function withoutScales({ tensors, read }: Stored): Stored {
  const isScaled = (name: string): boolean => tensors.get(name)?.dtype === 'I8' && tensors.has(`${name}${scaleSuffix}`);
  const isScale = (name: string): boolean => name.endsWith(scaleSuffix) && isScaled(name.slice(0, -scaleSuffix.length));
  const shown = [...tensors].filter(([name]) => !isScale(name));
  const info = (name: string, stored: TensorInfo): TensorInfo => (isScaled(name) ? { ...stored, dtype: 'F32' } : stored);
  return {
    tensors: new Map(shown.map(([name, stored]) => [name, info(name, stored)])),
    read: async (name) => (isScaled(name) ? dequantize(await read(name), await read(`${name}${scaleSuffix}`)) : read(name)),
  };
}
