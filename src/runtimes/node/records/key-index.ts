/** Where a record lies. */
export interface RecordPlace {
  readonly shard: number;
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

export const keyBytes = 32;

const numbersPerEntry = 4;

/** Places of records by their keys, in flat arrays: a million entries are some 60 MB and no objects. Later entries win. */
export class KeyIndex {
  #count = 0;
  #keys = new Uint8Array(64 * keyBytes);
  #numbers = new Uint32Array(64 * numbersPerEntry);
  /** Entry number plus one by slot; 0 for a free slot. Open addressing; keys are hashes, so their first bytes spread well. */
  #slots = new Uint32Array(128);

  get count(): number {
    return this.#count;
  }

  set(key: Uint8Array, { shard, offset, length, crc }: RecordPlace): void {
    if (this.#count * keyBytes === this.#keys.length) this.#grow();
    const slot = this.#slotOf(key);
    const entry = this.#slots[slot] === 0 ? this.#count++ : this.#slots[slot]! - 1;
    this.#slots[slot] = entry + 1;
    this.#keys.set(key, entry * keyBytes);
    this.#numbers.set([shard, offset, length, crc], entry * numbersPerEntry);
  }

  get(key: Uint8Array): RecordPlace | undefined {
    const entry = this.#slots[this.#slotOf(key)]!;
    if (entry === 0) return undefined;
    const [shard, offset, length, crc] = this.#numbers.subarray((entry - 1) * numbersPerEntry, entry * numbersPerEntry);
    return { shard: shard!, offset: offset!, length: length!, crc: crc! };
  }

  /** The slot that holds a key, or the free one it would go to. */
  #slotOf(key: Uint8Array): number {
    const mask = this.#slots.length - 1;
    let slot = ((key[0]! | (key[1]! << 8) | (key[2]! << 16) | (key[3]! << 24)) >>> 0) & mask;
    while (this.#slots[slot] !== 0 && !this.#holds(this.#slots[slot]! - 1, key)) slot = (slot + 1) & mask;
    return slot;
  }

  #holds(entry: number, key: Uint8Array): boolean {
    for (let index = 0, at = entry * keyBytes; index < keyBytes; index++) if (this.#keys[at + index] !== key[index]) return false;
    return true;
  }

  #grow(): void {
    const keys = new Uint8Array(this.#keys.length * 2);
    keys.set(this.#keys);
    const numbers = new Uint32Array(this.#numbers.length * 2);
    numbers.set(this.#numbers);
    this.#keys = keys;
    this.#numbers = numbers;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let entry = 0; entry < this.#count; entry++)
      this.#slots[this.#slotOf(keys.subarray(entry * keyBytes, (entry + 1) * keyBytes))] = entry + 1;
  }
}
