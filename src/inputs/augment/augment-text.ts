import type { Random } from '../../common/random.js';
import { uniform } from './random-region.js';
import type { TextAugmentation } from './recipe.js';

/** A random stretch: its share of the tokens is drawn first, then where it starts. */
function cropTokens(tokens: readonly number[], [least, most]: readonly [number, number], random: Random): readonly number[] {
  const kept = Math.max(1, Math.round(tokens.length * uniform(random, least, most)));
  const start = random.integer(tokens.length - kept + 1);
  return tokens.slice(start, start + kept);
}

/** Leaves tokens out one by one; where chance would leave none, one of them stays. */
function dropTokens(tokens: readonly number[], probability: number, random: Random): readonly number[] {
  const kept = tokens.filter(() => random.next() >= probability);
  const spared = random.integer(tokens.length);
  return kept.length > 0 ? kept : [tokens[spared]!];
}

/** The tokens of one text, without special ones, changed at random. A text without tokens stays as it is. */
export function augmentTokens(tokens: readonly number[], augmentation: TextAugmentation, random: Random): readonly number[] {
  if (tokens.length === 0) return tokens;
  const { crop, dropTokens: probability } = augmentation;
  const stretch = crop === undefined ? tokens : cropTokens(tokens, crop, random);
  return probability === undefined ? stretch : dropTokens(stretch, probability, random);
}
