import { TransferKitError } from '../errors.js';
import { nearestName } from '../common/nearest-name.js';
import type { Checkpoint } from '../sources/source.js';
import { layoutShape, type AxisLayout } from './layouts.js';

type Shape = readonly (number | null)[];
type Row = readonly [ours: string, theirs: string, layout: AxisLayout];

/** The two sides that are compared. */
export interface Sides {
  readonly family: string;
  readonly weights: ReadonlyMap<string, { readonly shape: Shape }>;
  readonly checkpoint: Checkpoint;
}

/**
 * - `shape`: the tensor is there and has another shape
 * - `missing`: the checkpoint lacks the tensor
 * - `unexpected`: the checkpoint has a tensor that nothing takes
 * - `unfilled`, `twice`, `unknown`: the family's table itself is wrong
 */
export type MismatchKind = 'shape' | 'missing' | 'unexpected' | 'unfilled' | 'twice' | 'unknown';

/** One thing that does not fit. `text` is what the message says behind `name`. */
export interface Mismatch {
  readonly kind: MismatchKind;
  readonly name: string;
  readonly text: string;
}

/** Names come from a file that may be hostile; a megabyte of name has no place in a message. */
const maxNameLength = 200;

const showShape = (shape: Shape): string => `[${shape.join(',')}]`;

/** Outputs per channel of a depthwise target `[height, width, channels, multiplier]`; 1 for any other. */
export const depthMultiplier = (shape: Shape): number => (shape.length === 4 ? shape[3] || 1 : 1);

/** Compares network, table and checkpoint by names and shapes alone. */
export function findMismatches(sides: Sides, rows: readonly Row[], ignore: readonly RegExp[]): Mismatch[] {
  const sourcesOf = new Map<string, string[]>();
  for (const [ours, theirs] of rows) sourcesOf.set(ours, [...(sourcesOf.get(ours) ?? []), theirs]);
  return [
    ...rows.flatMap((row) => checkRow(sides, row)),
    ...[...sourcesOf].filter(([, sources]) => sources.length > 1).map(filledTwice),
    ...[...sides.weights.keys()].filter((name) => !sourcesOf.has(name)).map(unfilled),
    ...unexpected(sides.checkpoint, rows, ignore),
  ];
}

function checkRow({ weights, checkpoint }: Sides, [ours, theirs, layout]: Row): Mismatch[] {
  const target = weights.get(ours)?.shape;
  const info = checkpoint.tensors.get(theirs);
  if (target === undefined)
    return [{ kind: 'unknown', name: ours, text: `is no weight of the network; the table fills it from "${theirs}"` }];
  if (info === undefined) return [{ kind: 'missing', name: ours, text: `missing "${theirs}"` }];
  const shape = layoutShape(info.shape, layout, depthMultiplier(target));
  if (shape !== undefined && showShape(shape) === showShape(target)) return [];
  const received = shape === undefined ? `${showShape(info.shape)} (before ${layout})` : showShape(shape);
  return [{ kind: 'shape', name: ours, text: `expected ${showShape(target)}  received ${received} from "${theirs}"` }];
}

const filledTwice = ([name, sources]: [string, string[]]): Mismatch => ({
  kind: 'twice',
  name,
  text: `is filled ${sources.length} times, by ${sources.map((source) => `"${source}"`).join(' and ')}`,
});

const unfilled = (name: string): Mismatch => ({ kind: 'unfilled', name, text: 'is filled by no row of the table' });

function unexpected(checkpoint: Checkpoint, rows: readonly Row[], ignore: readonly RegExp[]): Mismatch[] {
  const used = new Set(rows.map(([, theirs]) => theirs));
  return [...checkpoint.tensors]
    .filter(([name]) => !used.has(name) && !ignore.some((pattern) => name.search(pattern) >= 0))
    .map(([name, { shape }]) => ({
      kind: 'unexpected',
      name: `"${name.slice(0, maxNameLength)}"`,
      text: `unexpected ${showShape(shape)}`,
    }));
}

const maxShown = 20;

/** Every mismatch in one error, in columns; beyond 20 lines the rest is counted, and `details.mismatches` has them all. */
export function mismatchError({ family, weights, checkpoint }: Sides, layout: string, mismatches: readonly Mismatch[]): TransferKitError {
  const shown = mismatches.slice(0, maxShown);
  const width = Math.min(48, Math.max(...shown.map(({ name }) => name.length)));
  const lines = shown.map(({ name, text }) => `  ${name.padEnd(width)}   ${text}`);
  if (mismatches.length > maxShown) lines.push(`  ... and ${mismatches.length - maxShown} more`);
  return new TransferKitError(
    'weight-mismatch',
    `${family} could not be filled from "${checkpoint.origin}" (${mismatches.length} of ${weights.size + count(mismatches, 'unexpected')} tensors).\n` +
      `${lines.join('\n')}\n  Fix: ${suggestFix(layout, mismatches, { family, weights, checkpoint })}`,
    { details: { family, origin: checkpoint.origin, layout, mismatches } },
  );
}

const count = (mismatches: readonly Mismatch[], kind: MismatchKind): number =>
  mismatches.filter((mismatch) => mismatch.kind === kind).length;

function suggestFix(layout: string, mismatches: readonly Mismatch[], { weights, checkpoint }: Sides): string {
  const has = (...kinds: MismatchKind[]) => mismatches.some(({ kind }) => kinds.includes(kind));
  if (has('unknown', 'twice', 'unfilled')) return `the "${layout}" weight table of the family is wrong for this config; correct its rows.`;
  const isForeign = count(mismatches, 'missing') > weights.size / 2 && count(mismatches, 'unexpected') > checkpoint.tensors.size / 2;
  if (isForeign) return 'weights and config belong to different networks; use the files that were published together.';
  if (has('shape')) return 'the config describes another size than the weights have; use the config that was published with them.';
  if (has('missing') && has('unexpected'))
    return `the names differ: ${suggestName(mismatches, checkpoint)}check that config and weights belong together.`;
  if (has('missing')) return 'the checkpoint is incomplete, or its config asks for more layers than it has.';
  return `the checkpoint has more than the config asks for; correct the config, or list heads and buffers under "ignore" of the "${layout}" table.`;
}

/** A renamed tensor is the usual reason for one missing and one left over. */
function suggestName(mismatches: readonly Mismatch[], checkpoint: Checkpoint): string {
  const wanted = /^missing "(.*)"$/.exec(mismatches.find(({ kind }) => kind === 'missing')!.text)![1]!;
  const spare = mismatches.filter(({ kind }) => kind === 'unexpected').map(({ name }) => name.slice(1, -1));
  const nearest = nearestName(wanted, spare.filter((name) => name.length < maxNameLength && checkpoint.tensors.has(name)).slice(0, 200));
  return nearest === undefined ? '' : `"${nearest}" may be "${wanted}"; `;
}
