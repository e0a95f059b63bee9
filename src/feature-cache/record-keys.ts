import { canonicalJson } from '../common/canonical-json.js';
import type { DataItem } from '../data/dataset.js';
import type { AnyModel } from '../training/weight-set.js';
import type { ViewRequest } from './extractor.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Hexadecimal digits as bytes. */
const fromHex = (hex: string): Uint8Array =>
  Uint8Array.from({ length: hex.length / 2 }, (_, index) => parseInt(hex.slice(index * 2, index * 2 + 2), 16));

const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

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

/** The inputs of an example, one for each branch. */
export const inputsOf = ({ head }: AnyModel, input: unknown): readonly unknown[] => (head.branches === 1 ? [input] : [input].flat());

/** SHA-256 of the content of one input, in hexadecimal digits; undefined where it cannot be told. */
export async function contentHash(model: AnyModel, raw: unknown): Promise<string | undefined> {
  const { processor, runtime } = model.base.parts;
  try {
    const content = await processor.content?.(raw);
    return content && (await runtime.sha256(content));
  } catch {
    return undefined;
  }
}

/**
 * SHA-256 of what an example is: the content of its inputs and, where its record holds the target, that. Not its name.
 * @returns undefined where it cannot be told; what is wrong with the example is for its reader to say
 */
export async function contentKey(model: AnyModel, { input, target }: DataItem): Promise<Uint8Array | undefined> {
  const { head } = model;
  if (keepsTarget(model) && !isPlainData(target)) return undefined;
  const hashes: string[] = [];
  for (const raw of inputsOf(model, input)) {
    const hash = await contentHash(model, raw);
    if (hash === undefined) return undefined;
    hashes.push(hash);
  }
  const aim = keepsTarget(model) ? [head.name, head.config, target] : null;
  return fromHex(await model.base.parts.runtime.sha256(utf8(canonicalJson([hashes, aim]))));
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
