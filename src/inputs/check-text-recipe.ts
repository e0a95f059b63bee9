import { checkRecipe, type RecipeRule } from './check-recipe.js';
import type { InputRecipe } from './input.js';
import type { TextRecipe } from './text.js';

const arrayNames: readonly unknown[] = ['ids', 'mask', 'typeIds'];

const isCount =
  (least: number) =>
  (value: unknown): boolean =>
    Number.isSafeInteger(value) && (value as number) >= least;
const isBoolean = (value: unknown): boolean => typeof value === 'boolean';

const rules: readonly RecipeRule[] = [
  { field: 'kind', expected: '"text"', holds: (value) => value === 'text' },
  { field: 'maxLength', expected: 'a whole number of tokens from 1 on', holds: isCount(1) },
  { field: 'addSpecialTokens', expected: 'true or false', holds: isBoolean },
  {
    field: 'arrays',
    expected: 'a list of "ids", "mask", "typeIds"',
    holds: (value) => Array.isArray(value) && value.length > 0 && value.every((name) => arrayNames.includes(name)),
  },
  { field: 'padId', expected: 'a token id from 0 on', holds: isCount(0) },
  { field: 'vocabularySize', expected: 'a whole number of tokens from 1 on', holds: isCount(1) },
  { field: 'lowerCase', expected: 'true or false', holds: isBoolean },
  { field: 'dropUnknown', expected: 'true or false', holds: isBoolean },
  {
    field: 'cutCharacters',
    expected: 'nothing, or a whole number of characters from 0 on',
    holds: (value) => value === undefined || isCount(0)(value),
  },
  { field: 'maxCharacters', expected: 'a whole number of characters from 1 on', holds: isCount(1) },
];

/** @throws TransferKitError `bad-config` naming the field of a text recipe that is wrong or not known. */
export const checkTextRecipe = (recipe: InputRecipe): TextRecipe => checkRecipe('text', rules, recipe) as TextRecipe;
