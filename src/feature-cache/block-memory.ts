/** Size of the largest slab. Slabs grow up to it, so that few examples take little and many make few objects. */
const largestSlab = 8 * 2 ** 20;
const smallestSlab = 64 * 2 ** 10;

/** An address is the slab's number times this, plus the place within it. */
const slabStep = 2 ** 32;

/** Blocks of bytes packed into a few large buffers: a million small blocks are no more work for the garbage collector than one. */
export class BlockMemory {
  readonly #slabs: Uint8Array[] = [];
  #used = 0;

  /** Keeps a copy. @returns the address to get it by; blocks begin on a border of four bytes */
  put(block: Uint8Array): number {
    const size = 4 + block.length;
    if (this.#slabs.length === 0 || this.#used + size > this.#slabs.at(-1)!.length) this.#addSlab(size);
    const slab = this.#slabs.at(-1)!;
    const address = (this.#slabs.length - 1) * slabStep + this.#used;
    new DataView(slab.buffer).setUint32(this.#used, block.length, true);
    slab.set(block, this.#used + 4);
    this.#used += Math.ceil(size / 4) * 4;
    return address;
  }

  /** The block at an address, as a view: not to be written. */
  get(address: number): Uint8Array {
    const slab = this.#slabs[Math.floor(address / slabStep)]!;
    const start = address % slabStep;
    const length = new DataView(slab.buffer).getUint32(start, true);
    return slab.subarray(start + 4, start + 4 + length);
  }

  #addSlab(needed: number): void {
    const usual = Math.min(largestSlab, smallestSlab * 2 ** this.#slabs.length);
    this.#slabs.push(new Uint8Array(Math.max(usual, Math.ceil(needed / 4) * 4)));
    this.#used = 0;
  }
}
