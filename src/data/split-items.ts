import { TransferKitError } from '../errors.js';
import { createRandom, type Random } from '../common/random.js';
import { checkOptions } from './check-options.js';
import type { DataItem, SplitOptions } from './dataset.js';

/** The parts that are taken out of the training part, in this order. */
const partNames = ['validation', 'test'] as const;
type PartName = (typeof partNames)[number];

/** Which items go where, in their original order. */
export interface SplitItems<Item> {
  readonly train: readonly Item[];
  readonly validation: readonly Item[];
  readonly test: readonly Item[];
}

function checkFractions(options: SplitOptions): void {
  checkOptions('split()', options, ['validation', 'test', 'seed', 'stratify']);
  const fractions = partNames.map((name) => options[name] ?? 0);
  const fits = fractions.every((fraction) => fraction >= 0 && fraction < 1) && fractions[0]! + fractions[1]! < 1;
  if (fits && fractions.some((fraction) => fraction > 0)) return;
  const received = `{ validation: ${String(options.validation)}, test: ${String(options.test)} }`;
  throw new TransferKitError(
    'bad-option',
    `split() takes fractions of the whole: each from 0 to below 1, at least one above 0, together below 1; the rest is for training.\n  Received: ${received}\n  Fix: for example split({ validation: 0.1, test: 0.2 }).`,
    { details: { ...options } },
  );
}

/** Item numbers by label, each list in random order. One group for everything when not stratified. */
function groupsOf(items: readonly DataItem[], stratify: boolean, random: Random): number[][] {
  const groups = new Map<unknown, number[]>();
  for (const index of random.permutation(items.length)) {
    const key = stratify ? items[index]!.target : undefined;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [index]);
    else group.push(index);
  }
  return [...groups.values()];
}

/**
 * How many of each group a part gets: the exact share rounded down, and the places that are left to those with the largest
 * remainders. One of each group stays behind, so that training knows every label.
 */
function shares(groups: readonly number[][], sizes: readonly number[], fraction: number, total: number): number[] {
  const exact = sizes.map((size) => size * fraction);
  const free = groups.map((group) => Math.max(0, group.length - 1));
  const taken = exact.map((share, index) => Math.min(free[index]!, Math.floor(share + 1e-9)));
  let left = Math.max(1, Math.round(total * fraction)) - taken.reduce((sum, count) => sum + count, 0);
  const byRemainder = exact.map((share, index) => ({ index, remainder: share - taken[index]! })).sort((a, b) => b.remainder - a.remainder);
  while (left > 0 && byRemainder.some(({ index }) => taken[index]! < free[index]!)) {
    for (const { index } of byRemainder) {
      if (left > 0 && taken[index]! < free[index]!) {
        taken[index]!++;
        left--;
      }
    }
  }
  return taken;
}

function emptyPart(name: PartName, count: number, origin: string): TransferKitError {
  return new TransferKitError(
    'bad-data',
    `split() leaves nothing for "${name}": ${origin} has ${count} example${count === 1 ? '' : 's'}, and training keeps one of each label.\n  Fix: add examples, or leave "${name}" out.`,
    { details: { part: name, count, origin } },
  );
}

/** Without stratification chance may give a label to validation only; nothing could be learnt about it. */
function checkLabels(items: readonly DataItem[], part: Readonly<Record<number, string>>, origin: string): void {
  const known = new Set(items.filter((_, index) => part[index] === undefined).map((item) => item.target));
  const lost = items.find((item, index) => part[index] !== undefined && typeof item.target === 'string' && !known.has(item.target));
  if (lost === undefined) return;
  throw new TransferKitError(
    'bad-data',
    `split() of ${origin} would leave no example of label ${JSON.stringify(lost.target)} for training.\n  Fix: let it stratify (the default), or use another seed.`,
    { details: { label: lost.target, origin } },
  );
}

function wantsStrata(items: readonly DataItem[], options: SplitOptions): boolean {
  const haveLabels = items.every((item) => typeof item.target === 'string');
  if (options.stratify === true && !haveLabels) {
    throw new TransferKitError('bad-option', 'split({ stratify: true }) needs labels (strings) as targets.\n  Fix: leave stratify out.');
  }
  return options.stratify ?? haveLabels;
}

/**
 * Splits a list of examples by seed. Sizes are the rounded fractions of the whole; with strata each label is spread as evenly as
 * whole examples allow, and training always keeps at least one example of each label.
 *
 * @throws TransferKitError `bad-option` for fractions that make no sense; `bad-data` when a part would be empty, or when training
 *   would lack a label.
 */
export function splitItems<Item extends DataItem>(items: readonly Item[], options: SplitOptions, origin: string): SplitItems<Item> {
  checkFractions(options);
  const groups = groupsOf(items, wantsStrata(items, options), createRandom(options.seed ?? 42));
  const sizes = groups.map((group) => group.length);
  const part: Record<number, PartName> = {};
  for (const name of partNames) {
    const fraction = options[name] ?? 0;
    if (fraction === 0) continue;
    const counts = shares(groups, sizes, fraction, items.length);
    if (counts.every((count) => count === 0)) throw emptyPart(name, items.length, origin);
    groups.forEach((group, index) => group.splice(0, counts[index]).forEach((item) => (part[item] = name)));
  }
  checkLabels(items, part, origin);
  const pick = (name: PartName | undefined): Item[] => items.filter((_, index) => part[index] === name);
  return { train: pick(undefined), validation: pick('validation'), test: pick('test') };
}
