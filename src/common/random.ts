/** A seeded stream of random numbers. Its state is one number, so it can be saved and continued. */
export interface Random {
  /** The next float in [0, 1). */
  next(): number;
  /** The next integer in [0, below). */
  integer(below: number): number;
  /** An independent stream for a named purpose; same name, same stream. */
  fork(name: string): Random;
  /** A Fisher-Yates permutation of 0 to count - 1. */
  permutation(count: number): Uint32Array;
  state: number;
}

/** FNV-1a hash of a string, 32 bits. */
export function hash32(text: string, start = 0x811c9dc5): number {
  let hash = start >>> 0;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return hash;
}

/**
 * A seeded generator (mulberry32).
 * @source Tommy Ettinger's public-domain mulberry32
 */
export function createRandom(seed: number): Random {
  const random: Random = {
    state: seed >>> 0,
    next() {
      random.state = (random.state + 0x6d2b79f5) >>> 0;
      let mixed = random.state;
      mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    },
    integer: (below) => Math.floor(random.next() * below),
    fork: (name) => createRandom(hash32(name, random.state ^ 0x9e3779b9)),
    permutation(count) {
      const order = Uint32Array.from({ length: count }, (_, index) => index);
      for (let last = count - 1; last > 0; last--) {
        const other = random.integer(last + 1);
        [order[last], order[other]] = [order[other]!, order[last]!];
      }
      return order;
    },
  };
  return random;
}
