import { createRandom, type Random } from '../common/random.js';

/** Two examples by number, and whether they have one label. */
export interface ContrastivePair {
  readonly left: number;
  readonly right: number;
  readonly alike: boolean;
}

/** How many pairs are made. */
export interface PairOptions {
  readonly seed: number;
  /** Pairs of each kind for each example. Default: every pair once, the rarer kind repeated until both are as many. */
  readonly iterations?: number | undefined;
  /** Most pairs of both kinds together. */
  readonly most: number;
}

/** Numbers of pairs of `count` things, each with itself too. */
const pairsWithin = (count: number): number => (count * (count + 1)) / 2;

/** Pairs of more examples than these are drawn one by one, not listed: a list of all would not fit into memory. */
const mostListed = 2000;

/** Every pair of each kind, in random order. An example makes a pair with itself. */
function listPairs(labels: readonly string[], random: Random): { alike: ContrastivePair[]; different: ContrastivePair[] } {
  const all = labels.flatMap((label, left) =>
    labels.slice(left).map((other, offset): ContrastivePair => ({ left, right: left + offset, alike: label === other })),
  );
  const shuffled = Array.from(random.permutation(all.length), (index) => all[index]!);
  return { alike: shuffled.filter(({ alike }) => alike), different: shuffled.filter(({ alike }) => !alike) };
}

/** One random pair of a kind. Needs at least two labels. */
function drawPair(
  labels: readonly string[],
  members: ReadonlyMap<string, readonly number[]>,
  alike: boolean,
  random: Random,
): ContrastivePair {
  const left = random.integer(labels.length);
  const own = members.get(labels[left]!)!;
  if (alike) return { left, right: own[random.integer(own.length)]!, alike };
  for (;;) {
    const right = random.integer(labels.length);
    if (labels[right] !== labels[left]) return { left, right, alike };
  }
}

function membersOf(labels: readonly string[]): Map<string, number[]> {
  const members = new Map<string, number[]>();
  labels.forEach((label, index) => {
    const own = members.get(label);
    if (own === undefined) members.set(label, [index]);
    else own.push(index);
  });
  return members;
}

/** How many pairs of each kind are wanted without a limit. */
function wantedOfEach(labels: readonly string[], members: ReadonlyMap<string, readonly number[]>, iterations: number | undefined): number {
  if (iterations !== undefined) return iterations * labels.length;
  const alike = [...members.values()].reduce((sum, own) => sum + pairsWithin(own.length), 0);
  return Math.max(alike, pairsWithin(labels.length) - alike);
}

/** Pairs of both kinds that there are without a limit. */
export const countPairs = (labels: readonly string[], iterations?: number): number =>
  2 * wantedOfEach(labels, membersOf(labels), iterations);

/**
 * Pairs of examples to learn from: as many of one label as of two. Every pair there is occurs, and the rarer kind is gone through
 * again until there are as many of it; alike and different ones take turns.
 *
 * @param labels the label of each example; at least two different ones
 * @source Tunstall et al., "Efficient Few-Shot Learning Without Prompts", 2022 (SetFit)
 */
export function contrastivePairs(labels: readonly string[], { seed, iterations, most }: PairOptions): ContrastivePair[] {
  const random = createRandom(seed).fork('pairs');
  const members = membersOf(labels);
  const ofEach = Math.min(wantedOfEach(labels, members, iterations), Math.floor(most / 2));
  const listed = labels.length <= mostListed ? listPairs(labels, random) : undefined;
  const take = (alike: boolean, place: number): ContrastivePair => {
    const list = alike ? listed?.alike : listed?.different;
    return list === undefined ? drawPair(labels, members, alike, random) : list[place % list.length]!;
  };
  return Array.from({ length: 2 * ofEach }, (_, place) => take(place % 2 === 0, place >> 1));
}
