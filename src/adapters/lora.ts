import { checkOptions } from '../data/check-options.js';
import { TransferKitError } from '../errors.js';
import { recipeRules, type AdapterRecipe, type AdapterTargets } from './recipe.js';

export type { AdapterRecipe, AdapterTargets };

/** Settings of `lora`. */
export interface LoraOptions {
  /** Width of the update: how many directions of each layer can change. Default 8. */
  readonly rank?: number;
  /** The update is multiplied by alpha / rank. Default 2 x rank, so that a learning rate that suits one rank suits the others. */
  readonly alpha?: number;
  /** Share of the inputs of an update that is dropped in training, 0 up to but not 1. Default 0. */
  readonly dropout?: number;
  /** Default `'all-linear'`. */
  readonly targets?: AdapterTargets;
  /** Learn the length of each output's weights apart from their direction (DoRA). Default false. */
  readonly dora?: boolean;
}

const optionNames = ['rank', 'alpha', 'dropout', 'targets', 'dora'] as const satisfies readonly (keyof LoraOptions)[];

const copyOf = (targets: AdapterTargets): AdapterTargets => JSON.parse(JSON.stringify(targets)) as AdapterTargets;

/**
 * Low-rank adaptation: the base stays frozen, and each chosen layer learns a small update that is added to what it computes.
 *
 * A layer with kernel W computes `x W + (alpha / rank) x A B`, where A [in, rank] starts random and B [rank, out] at zero, so
 * training starts from the base as it is. A convolution's A has the size, stride and padding of the convolution, its B is 1 x 1.
 * Depthwise convolutions are not adapted: each of their filters sees one channel, and there is no rank to save.
 *
 * @throws TransferKitError `bad-option` for a setting that does not exist or is out of range
 * @source Hu et al. 2021, https://arxiv.org/abs/2106.09685; DoRA: Liu et al. 2024, https://arxiv.org/abs/2402.09353
 * @example
 * ```ts
 * import { lora } from 'transferkit';
 *
 * const recipe = lora({ rank: 4, targets: ['query', 'value'] });
 * console.log(recipe.alpha); // 8
 * ```
 */
export function lora(options: LoraOptions = {}): AdapterRecipe {
  checkOptions('lora', options, optionNames);
  const { rank = 8, alpha = 2 * rank, dropout = 0, targets = 'all-linear', dora = false } = options;
  const values = { rank, alpha, dropout, targets, dora };
  for (const [name, expected, holds] of recipeRules) {
    if (holds(values[name])) continue;
    throw new TransferKitError(
      'bad-option',
      `lora: ${name} cannot be ${JSON.stringify(values[name]) ?? 'undefined'}.\n  Expected: ${expected}\n  Fix: correct it, or leave it out for the default.`,
      { details: { option: name, received: values[name] } },
    );
  }
  return Object.freeze({ kind: 'lora', ...values, targets: copyOf(targets) });
}
