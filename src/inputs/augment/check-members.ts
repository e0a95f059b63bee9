import { TransferKitError } from '../../errors.js';
import { nearestName } from '../../common/nearest-name.js';

/** What a member must be, in words, and whether a value is that. */
export interface MemberRule {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** A number in a closed range, in words and as a check. */
export const between = (least: number, most: number, unit = ''): MemberRule => ({
  expected: `a number from ${least} to ${most}${unit}`,
  holds: (value) => isNumber(value) && value >= least && value <= most,
});

/** Two numbers of a closed range, the smaller first. */
export const rangeWithin = (least: number, most: number): MemberRule => ({
  expected: `[smallest, largest], two numbers from ${least} to ${most}`,
  holds: (value) =>
    Array.isArray(value) && value.length === 2 && value.every((end) => between(least, most).holds(end)) && value[0] <= value[1],
});

/** A whole number in a closed range. */
export const wholeBetween = (least: number, most: number): MemberRule => ({
  expected: `a whole number from ${least} to ${most}`,
  holds: (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
});

const shown = (value: unknown): string => (typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value)));

function refuse(what: string, expected: string, received: unknown, member: string): TransferKitError {
  return new TransferKitError('bad-option', `${what}.\n  Expected: ${expected}\n  Received: ${shown(received)}`, { details: { member } });
}

/** The members of an object; anything else is refused. */
function membersOf(where: string, value: unknown, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refuse(`${where} is not an object`, `{ ${known.join(', ')} }`, value, where);
}

/**
 * Looks at each member of a piece of plain data that callers write.
 *
 * @param where how the piece is called in messages, such as `imageAugmentation crop`
 * @returns the members that are there; those that are undefined are left out
 * @throws TransferKitError `bad-option` for a member that is not known (with the nearest), is missing or is out of range
 */
export function checkMembers(
  where: string,
  value: unknown,
  rules: Readonly<Record<string, MemberRule>>,
  required: readonly string[] = [],
): Readonly<Record<string, unknown>> {
  const known = Object.keys(rules);
  const members = Object.entries(membersOf(where, value, known)).filter(([, member]) => member !== undefined);
  for (const [name, member] of members) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    const nearest = nearestName(name, known);
    const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
    if (rule === undefined) throw refuse(`${where} has no member "${name}".${hint}`, known.join(', '), name, name);
    if (!rule.holds(member)) throw refuse(`${where}: ${name} is out of its range`, rule.expected, member, name);
  }
  const missing = required.find((name) => !members.some(([present]) => present === name));
  if (missing === undefined) return Object.fromEntries(members);
  throw refuse(`${where} lacks "${missing}"`, rules[missing]!.expected, undefined, missing);
}

/** A copy that nobody can change, all the way down. */
export function frozenCopy<T>(value: T): T {
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([name, member]) => [name, frozenCopy(member as unknown)]))) as T;
}
