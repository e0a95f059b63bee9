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

/** A layer group as far as it matters whether it may learn. */
export interface FreezableGroup {
  readonly name: string;
  /** Present where it can be run and not trained. */
  readonly fixed?: object;
}

/** @throws TransferKitError `unsupported` */
const cannotLearn = (names: readonly string[]): TransferKitError =>
  new TransferKitError(
    'unsupported',
    `${names.map((name) => `"${name}"`).join(', ')} cannot be unfrozen: what an ONNX graph computes can be run, and not trained.\n` +
      "  Fix: train a head on the frozen features, with unfreeze: 'none'; or load the network from a checkpoint in safetensors.",
    { details: { groups: names } },
  );

/** @throws TransferKitError `unsupported` where a group that cannot learn was named */
export function checkMayLearn(learns: readonly boolean[], groups: readonly FreezableGroup[]): void {
  const fixed = groups.filter(({ fixed }, index) => learns[index] === true && fixed !== undefined);
  if (fixed.length > 0) throw cannotLearn(fixed.map(({ name }) => name));
}

/**
 * One flag per group: the last so many that can learn, and all that can where `count` is not told.
 * @throws TransferKitError `unsupported` where some are wanted and none can
 */
export function lastLearning(groups: readonly FreezableGroup[], count = groups.length): boolean[] {
  const able = groups.flatMap(({ fixed }, index) => (fixed === undefined ? [index] : []));
  if (count > 0 && able.length === 0) throw cannotLearn(groups.map(({ name }) => name));
  const chosen = new Set(able.slice(Math.max(0, able.length - count)));
  return groups.map((_, index) => chosen.has(index));
}

function learningFrom(from: string, groups: readonly FreezableGroup[]): boolean[] {
  const names = groups.map(({ name }) => name);
  const first = names.indexOf(from);
  if (first < 0) throw unknownName('layer group', from, names);
  return groups.map((_, index) => index >= first);
}

/** What was asked for, in whichever form. */
function askedGroups(unfreeze: Unfreeze, groups: readonly FreezableGroup[]): boolean[] {
  if (typeof unfreeze === 'function') return groups.map(({ name }, index) => unfreeze({ name, index, count: groups.length }));
  if (unfreeze === 'none') return groups.map(() => false);
  if (unfreeze === 'all') return lastLearning(groups);
  if (typeof unfreeze !== 'object' || unfreeze === null) throw invalid(unfreeze);
  if ('last' in unfreeze) {
    if (!Number.isInteger(unfreeze.last) || unfreeze.last < 0) throw invalid(unfreeze);
    return lastLearning(groups, unfreeze.last);
  }
  if (!('from' in unfreeze)) throw invalid(unfreeze);
  return learningFrom(unfreeze.from, groups);
}

/**
 * One flag per group: does it learn? `'all'` and `{ last: n }` count those that can.
 * @throws TransferKitError `bad-option`, `unknown-name`; `unsupported` for groups that can be run and not trained
 */
export function learningGroups(unfreeze: Unfreeze, groups: readonly FreezableGroup[]): boolean[] {
  const learns = askedGroups(unfreeze, groups);
  checkMayLearn(learns, groups);
  return learns;
}
