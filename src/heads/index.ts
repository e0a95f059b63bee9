import { unknownName } from '../common/nearest-name.js';
import type { HeadDefinition } from './head.js';

/** The heads that come with the library, loaded when they are asked for. One member per file of this folder. */
export const heads: Readonly<Record<string, () => Promise<HeadDefinition>>> = Object.freeze({
  classification: async () => (await import('./classification.js')).classificationHead,
});

/**
 * The definition that restores a saved head.
 * @param given definitions of the caller's own; they come first
 * @throws TransferKitError `unknown-name`
 */
export async function findHead(name: string, given: readonly HeadDefinition[] = []): Promise<HeadDefinition> {
  const own = given.find((definition) => definition.name === name);
  if (own !== undefined) return own;
  if (Object.hasOwn(heads, name)) return heads[name]!();
  throw unknownName('head', name, [...given.map((definition) => definition.name), ...Object.keys(heads)]);
}
