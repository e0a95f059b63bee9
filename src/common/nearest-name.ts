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

/** The valid name closest to what was typed, when it is close enough to be meant. */
export function nearestName(typed: string, names: readonly string[]): string | undefined {
  const ranked = names.map((name) => ({ name, cost: distance(typed.toLowerCase(), name.toLowerCase()) }));
  const best = ranked.sort((a, b) => a.cost - b.cost)[0];
  return best !== undefined && best.cost <= Math.max(2, best.name.length / 3) ? best.name : undefined;
}

/** An `unknown-name` error that lists the valid names and the nearest one. */
export function unknownName(kind: string, typed: string, names: readonly string[]): TransferKitError {
  const nearest = nearestName(typed, names);
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  return new TransferKitError('unknown-name', `there is no ${kind} "${typed}".${hint}\n  Known: ${names.join(', ')}`, {
    details: { kind, typed, names, nearest },
  });
}
