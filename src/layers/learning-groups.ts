import { TransferKitError } from '../errors.js';
import { unknownName } from '../common/nearest-name.js';

/** A group of layers as a predicate sees it. */
export interface GroupInfo {
  readonly name: string;
  /** 0 is nearest the input. */
  readonly index: number;
  /** Number of groups. */
  readonly count: number;
}

/**
 * Which layer groups learn:
 * `'none'` (only the head), `'all'`, the `{ last: n }` groups, all groups `{ from: 'block-13' }` on, or those a predicate picks.
 */
export type Unfreeze = 'none' | 'all' | { readonly last: number } | { readonly from: string } | ((group: GroupInfo) => boolean);

const invalid = (received: unknown): TransferKitError =>
  new TransferKitError(
    'bad-option',
    `unfreeze must be "none", "all", { last: n }, { from: "group" } or a function.\n  Received: ${JSON.stringify(received) ?? String(received)}`,
  );

/** The index from which groups learn, for the forms that unfreeze a tail. */
function firstLearning(unfreeze: Exclude<Unfreeze, (group: GroupInfo) => boolean>, names: readonly string[]): number {
  if (unfreeze === 'none') return names.length;
  if (unfreeze === 'all') return 0;
  if (typeof unfreeze !== 'object' || unfreeze === null) throw invalid(unfreeze);
  if ('last' in unfreeze) {
    if (!Number.isInteger(unfreeze.last) || unfreeze.last < 0) throw invalid(unfreeze);
    return Math.max(0, names.length - unfreeze.last);
  }
  if (!('from' in unfreeze)) throw invalid(unfreeze);
  const index = names.indexOf(unfreeze.from);
  if (index < 0) throw unknownName('layer group', unfreeze.from, names);
  return index;
}

/** One flag per group: does it learn? @throws TransferKitError `bad-option`, `unknown-name` */
export function learningGroups(unfreeze: Unfreeze, names: readonly string[]): boolean[] {
  if (typeof unfreeze === 'function') return names.map((name, index) => unfreeze({ name, index, count: names.length }));
  const first = firstLearning(unfreeze, names);
  return names.map((_, index) => index >= first);
}
