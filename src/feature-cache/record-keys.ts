import { canonicalJson } from '../common/canonical-json.js';
import type { DataItem } from '../data/dataset.js';
import type { AnyModel } from '../training/weight-set.js';
import type { ViewRequest } from './extractor.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Hexadecimal digits as bytes. */
const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from({ length: hex.length / 2 }, (_, index) => parseInt(hex.slice(index * 2, index * 2 + 2), 16));

export const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Whether the record of an example holds its target: where making the target anew would need the inputs. */
export const keepsTarget = (model: AnyModel): boolean => model.head.encodesTargetAlone !== true;

/** Whether JSON says all of a value: a Map or a Blob would look empty to it. */
function isPlainData(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  if (value === null || ['string', 'boolean', 'undefined'].includes(typeof value)) return true;
  if (typeof value !== 'object') return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return [Object.prototype, Array.prototype, null].includes(prototype as object) && Object.values(value).every(isPlainData);
}

/**
 * SHA-256 of what an example is: the content of its inputs and, where its record holds the target, that. Not its name.
 * @returns undefined where it cannot be told; what is wrong with the example is for its reader to say
 */
export async function contentKey(model: AnyModel, { input, target }: DataItem): Promise<Uint8Array | undefined> {
  const { processor, runtime } = model.base.parts;
  const { head } = model;
  if (processor.content === undefined || (keepsTarget(model) && !isPlainData(target))) return undefined;
  try {
    const inputs = head.branches === 1 ? [input] : (input as readonly unknown[]);
    const hashes: string[] = [];
    for (const raw of inputs) {
      const content = await processor.content(raw);
      if (content === undefined) return undefined;
      hashes.push(await runtime.sha256(content));
    }
    const aim = keepsTarget(model) ? [head.name, head.config, target] : null;
    return fromHex(await runtime.sha256(utf8(canonicalJson([hashes, aim]))));
  } catch {
    return undefined;
  }
}

/** The key of a view of an example, from that of the example. */
export async function viewKey(
  model: AnyModel,
  content: Uint8Array,
  id: string,
  { augmentation, seed, view }: ViewRequest,
): Promise<Uint8Array> {
  return fromHex(await model.base.parts.runtime.sha256(utf8(canonicalJson([toHex(content), augmentation, seed, id, view]))));
}

/** Keys by number, in one block of memory. */
export class KeyList {
  readonly #bytes: Uint8Array;
  readonly #known: Uint8Array;

  constructor(count: number) {
    this.#bytes = new Uint8Array(count * 32);
    this.#known = new Uint8Array(count);
  }

  set(index: number, key: Uint8Array | undefined): void {
    if (key === undefined) return;
    this.#bytes.set(key, index * 32);
    this.#known[index] = 1;
  }

  get(index: number): Uint8Array | undefined {
    return this.#known[index] === 1 ? this.#bytes.subarray(index * 32, (index + 1) * 32) : undefined;
  }
}
