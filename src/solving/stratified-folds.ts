import type { Random } from '../common/random.js';

/**
 * Deals examples into folds, each class as evenly as whole examples allow. Classes are dealt one behind the other, so that the
 * folds are alike in size too.
 *
 * @param classes the class of each example; anything that can be compared
 * @returns the fold of each example, 0 to `folds - 1`
 */
export function stratifiedFolds(classes: ArrayLike<unknown>, folds: number, random: Random): Int32Array {
  const byClass = new Map<unknown, number[]>();
  for (const index of random.permutation(classes.length)) {
    const members = byClass.get(classes[index]);
    if (members === undefined) byClass.set(classes[index], [index]);
    else members.push(index);
  }
  const assigned = new Int32Array(classes.length);
  let next = 0;
  for (const members of byClass.values()) for (const index of members) assigned[index] = next++ % folds;
  return assigned;
}
