import { between, checkMembers, frozenCopy, rangeWithin, type MemberRule } from './check-members.js';
import type { TextAugmentation } from './recipe.js';

/** What `textAugmentation` takes: the members of a `TextAugmentation`, each left out where it is not wanted. */
export type TextAugmentationOptions = Omit<TextAugmentation, 'kind'>;

const usual: TextAugmentationOptions = { dropTokens: 0.1, crop: [0.7, 1] };

const rules: Readonly<Record<string, MemberRule>> = {
  kind: { expected: '"text"', holds: (value) => value === 'text' },
  dropTokens: between(0, 0.95),
  crop: rangeWithin(0.01, 1),
};

/**
 * Random changes of training texts, as frozen plain data that is saved with the model. They act on tokens: a random stretch is
 * kept (`crop`), then single tokens are left out (`dropTokens`). Special tokens and at least one ordinary token of a text stay;
 * the two texts of a pair are changed each by itself. Without options a tenth of the tokens is dropped from a stretch of 70 % or more.
 *
 * @throws TransferKitError `bad-option` naming the member that does not exist or is out of range
 * @example
 * ```ts
 * import { textAugmentation } from 'transferkit';
 *
 * const usual = textAugmentation();
 * const gentle = textAugmentation({ dropTokens: 0.05 });
 * console.log(usual, gentle);
 * ```
 */
export function textAugmentation(options: TextAugmentationOptions = usual): TextAugmentation {
  const members = checkMembers('textAugmentation', options, rules) as TextAugmentationOptions;
  return frozenCopy({ ...members, kind: 'text' });
}
