import { TransferKitError } from '../errors.js';

/** Levenshtein distance between two short strings. */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(previous[j]! + 1, row[j - 1]! + 1, substitution));
    }
    previous = row;
  }
  return previous[b.length]!;
}

/** Names with their distance from what was typed, the nearest first. Only their beginnings are compared: files may hold any length. */
function ranked(typed: string, names: readonly string[]): { name: string; cost: number }[] {
  const start = (name: string) => name.slice(0, 200).toLowerCase();
  return names.map((name) => ({ name, cost: distance(start(typed), start(name)) })).sort((a, b) => a.cost - b.cost);
}

/** The valid name closest to what was typed, when it is close enough to be meant. */
export function nearestName(typed: string, names: readonly string[]): string | undefined {
  const best = ranked(typed, names)[0];
  return best !== undefined && best.cost <= Math.max(2, best.name.length / 3) ? best.name : undefined;
}

/** Most names that a message lists in full; of more, as a large graph has, the nearest are told. */
const mostListed = 60;

function listed(typed: string, names: readonly string[]): string {
  if (names.length <= mostListed) return `Known: ${names.join(', ')}`;
  const nearest = ranked(typed, names).slice(0, 20);
  return `Known, the nearest 20 of ${names.length}: ${nearest.map(({ name }) => name.slice(0, 200)).join(', ')}`;
}

/** An `unknown-name` error that lists the valid names, or the nearest of many, and the one that may be meant. */
export function unknownName(kind: string, typed: string, names: readonly string[]): TransferKitError {
  const nearest = nearestName(typed, names);
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  return new TransferKitError('unknown-name', `there is no ${kind} "${typed}".${hint}\n  ${listed(typed, names)}`, {
    details: { kind, typed, names, nearest },
  });
}
