/** Numbers as whole multiples of a scale for each channel. */
export interface QuantizedChannels {
  /** -127 to 127. */
  readonly codes: Int8Array;
  /** One for each entry of the channel axis. */
  readonly scales: Float32Array;
}

const largestCode = 127;

/**
 * Rounds numbers to 8 bits, for each channel by itself: its largest magnitude becomes 127, and 0 stays 0.
 * @param values row-major numbers of `shape`
 * @param axis which axis counts the channels
 */
export function quantizeChannels(values: Float32Array, shape: readonly number[], axis: number): QuantizedChannels {
  const channels = shape[axis]!;
  const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const channelOf = (index: number): number => Math.floor(index / inner) % channels;
  const scales = new Float32Array(channels);
  for (let index = 0; index < values.length; index++) {
    const channel = channelOf(index);
    scales[channel] = Math.max(scales[channel]!, Math.abs(values[index]!) / largestCode);
  }
  const codes = Int8Array.from(values, (value, index) => {
    const scale = scales[channelOf(index)]!;
    return scale === 0 ? 0 : Math.max(-largestCode, Math.min(largestCode, Math.round(value / scale)));
  });
  return { codes, scales: scales.map((scale) => (scale === 0 ? 1 : scale)) };
}
