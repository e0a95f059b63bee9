/** Seeded random numbers: the same seed draws the same pictures. */
export interface Random {
  /** From 0 to below 1, or from `low` to below `high`. */
  (low?: number, high?: number): number;
}

/** @source mulberry32 by Tommy Ettinger, public domain */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return (low = 0, high = 1) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits;
    return low + ((high - low) * ((bits ^ (bits >>> 14)) >>> 0)) / 2 ** 32;
  };
}

/** One of some things, each as likely as the others. */
export const oneOf = <Thing>(random: Random, things: readonly Thing[]): Thing => things[Math.floor(random() * things.length)]!;

/** True in this share of cases. */
export const happens = (random: Random, share: number): boolean => random() < share;

/** As many things as wanted. */
export const several = <Thing>(count: number, make: (index: number) => Thing): Thing[] =>
  Array.from({ length: count }, (_, index) => make(index));
