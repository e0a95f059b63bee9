/**
 * Which layers get an update: every dense layer and ordinary convolution of the base, or those whose names fit. `*` stands for
 * anything, and a pattern may leave out the front of a name: `'query'` fits `layer-1/attention/query`.
 */
export type AdapterTargets =
  | 'all-linear'
  | readonly string[]
  | {
      /** Layer groups, by patterns over their names: `['layer-5', 'layer-6']`. Default: all. */
      readonly groups?: readonly string[];
      /** Layers of those groups, by patterns over their names. Default: all. */
      readonly layers?: readonly string[];
    };

/** What an adapter is to be, as plain data; made by `lora`. */
export interface AdapterRecipe {
  readonly kind: 'lora';
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly targets: AdapterTargets;
  readonly dora: boolean;
}

/** Largest rank: far above any that is used, and small enough that a slip of the pen does not fill the memory. */
export const largestRank = 4096;

const isNames = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string' && name !== '');

function isTargets(value: unknown): boolean {
  if (value === 'all-linear' || isNames(value)) return true;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([part, names]) => (part === 'groups' || part === 'layers') && (names === undefined || isNames(names)),
  );
}

/** What each setting must be, in words and as a test. */
export const recipeRules: readonly (readonly [Exclude<keyof AdapterRecipe, 'kind'>, string, (value: unknown) => boolean])[] = [
  [
    'rank',
    `a whole number from 1 to ${largestRank}`,
    (value) => Number.isInteger(value) && Number(value) > 0 && Number(value) <= largestRank,
  ],
  ['alpha', 'a number above 0', (value) => Number.isFinite(value) && Number(value) > 0],
  ['dropout', 'a number from 0 up to but not 1', (value) => Number.isFinite(value) && Number(value) >= 0 && Number(value) < 1],
  ['targets', `'all-linear', a list of layer names with *, or { groups: [...], layers: [...] }`, isTargets],
  ['dora', 'true or false', (value) => typeof value === 'boolean'],
];

/** Whether a value is what `lora` gives. */
export function isAdapterRecipe(value: unknown): value is AdapterRecipe {
  if (typeof value !== 'object' || value === null || (value as { kind?: unknown }).kind !== 'lora') return false;
  const settings = value as Readonly<Record<string, unknown>>;
  return recipeRules.every(([name, , holds]) => holds(settings[name]));
}
