/**
 * Which values stay: 0 with probability `rate`, else 1. Same seed, same mask.
 * The generator (mulberry32) is written out here: a mask has millions of values, and a call each would cost more than the network.
 * @param size number of values
 * @param rate share that is dropped
 */
export function seededMask(size: number, rate: number, seed: number): Uint8Array {
  const mask = new Uint8Array(size);
  const threshold = rate * 4294967296;
  let state = seed >>> 0;
  for (let index = 0; index < size; index++) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    if ((mixed ^ (mixed >>> 14)) >>> 0 >= threshold) mask[index] = 1;
  }
  return mask;
}
