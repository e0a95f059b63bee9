import { checkRecipe, type RecipeRule } from './check-recipe.js';
import type { ImageRecipe } from './image-recipe.js';
import type { InputRecipe } from './input.js';

const interpolations = ['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos'];
const largestSide = 16384;

const isSide = (value: unknown): boolean => Number.isInteger(value) && (value as number) > 0 && (value as number) <= largestSide;
const isTriple = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 3 && value.every((number) => Number.isFinite(number));
const record = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null ? { ...value } : {});

function isResize(value: unknown): boolean {
  if (value === null) return true;
  const { mode, size, height, width, interpolation, antialias } = record(value);
  const hasSize = mode === 'shortest-edge' ? isSide(size) : mode === 'stretch' && isSide(height) && isSide(width);
  return hasSize && interpolations.includes(String(interpolation)) && typeof antialias === 'boolean';
}

function isCrop(value: unknown): boolean {
  if (value === null) return true;
  const { height, width, rounding } = record(value);
  return isSide(height) && isSide(width) && ['floor', 'half-even'].includes(String(rounding));
}

const isLimits = (value: unknown): boolean =>
  value === undefined || Object.entries(record(value)).every(([name, cap]) => ['maxBytes', 'maxPixels'].includes(name) && Number(cap) > 0);

const rules: readonly RecipeRule[] = [
  { field: 'kind', expected: '"image"', holds: (value) => value === 'image' },
  { field: 'resize', expected: 'null, or mode, size (or height and width, 1 to 16384), interpolation, antialias', holds: isResize },
  { field: 'crop', expected: 'null, or height, width (1 to 16384) and rounding', holds: isCrop },
  { field: 'scale', expected: 'a number', holds: (value) => Number.isFinite(value) },
  { field: 'mean', expected: 'three numbers', holds: isTriple },
  { field: 'std', expected: 'three numbers other than 0', holds: (value) => isTriple(value) && !(value as number[]).includes(0) },
  { field: 'channelOrder', expected: '"rgb" or "bgr"', holds: (value) => value === 'rgb' || value === 'bgr' },
  { field: 'limits', expected: 'maxBytes and maxPixels above 0', holds: isLimits },
];

/** @throws TransferKitError `bad-config` naming the field of an image recipe that is wrong or not known. */
export const checkImageRecipe = (recipe: InputRecipe): ImageRecipe => checkRecipe('image', rules, recipe) as ImageRecipe;
