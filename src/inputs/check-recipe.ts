import { TransferKitError } from '../errors.js';
import { nearestName } from '../common/nearest-name.js';
import type { InputRecipe } from './input.js';

/** What a field of a recipe must be, and how to say it. */
export interface RecipeRule {
  readonly field: string;
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
}

const wrong = (what: string, expected: string, received: string, field: string): TransferKitError =>
  new TransferKitError('bad-config', `${what}.\n  Expected: ${expected}\n  Received: ${received}`, { details: { field } });

/**
 * Recipes come from saved models and from callers, so each field is looked at before it is used.
 * @param kind what the recipe is for, for messages
 * @throws TransferKitError `bad-config` naming the field that is wrong or not known.
 */
export function checkRecipe(kind: string, rules: readonly RecipeRule[], recipe: InputRecipe): InputRecipe {
  const fields = rules.map(({ field }) => field);
  const unknown = Object.keys(recipe).find((name) => !fields.includes(name));
  if (unknown !== undefined) {
    const nearest = nearestName(unknown, fields);
    const hint = nearest === undefined ? '' : ` (did you mean "${nearest}"?)`;
    throw wrong(`the ${kind} recipe has no field "${unknown}"${hint}`, fields.join(', '), `"${unknown}"`, unknown);
  }
  const broken = rules.find(({ field, holds }) => !holds(recipe[field]));
  if (broken === undefined) return recipe;
  const received = JSON.stringify(recipe[broken.field]) ?? 'nothing';
  throw wrong(`the ${kind} recipe has a wrong "${broken.field}"`, broken.expected, received.slice(0, 200), broken.field);
}
