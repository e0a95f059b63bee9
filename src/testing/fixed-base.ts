import type { Base } from '../base.js';
import type { Unfreeze } from '../layers/learning-groups.js';
import type { AnyModel } from '../training/weight-set.js';
import { check } from './conformance.js';
import { expectFailure } from './expect-no-leaks.js';

/** Whether a base can be trained itself. */
export const canLearn = ({ parts }: Base): boolean => parts.built.groups.some(({ fixed }) => fixed === undefined);

/** What is unfrozen where all that can learn shall learn. */
export const everything = ({ base }: AnyModel): Unfreeze => (canLearn(base) ? 'all' : 'none');

/**
 * Whether what is asked of a base would train it and cannot; then it must be refused and change nothing, and the model is disposed.
 * @param unfreezes whether it would train the base
 */
export async function isRefused(model: AnyModel, unfreezes: boolean, work: () => Promise<unknown>): Promise<boolean> {
  if (!unfreezes || canLearn(model.base)) return false;
  await expectFailure(work, 'unsupported', model.base.parts.built.groups[0]!.name);
  check(!model.base.freeze.learns.includes(true), 'what was refused changed the freeze state');
  model.dispose();
  return true;
}
