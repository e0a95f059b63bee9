import type { Base } from '../base.js';
import { TransferKitError } from '../errors.js';
import { Adapter } from './adapter.js';
import { lora } from './lora.js';
import { matchTargets } from './match-targets.js';
import type { AdapterRecipe } from './recipe.js';

/**
 * A new adapter for a base, which changes nothing until it is trained.
 *
 * @param recipe made by `lora`
 * @param seed of the adapter's random start. Default 42
 * @throws TransferKitError `bad-option` for a recipe that is none, or targets that fit no layer; `disposed`
 * @example
 * ```ts
 * import { createAdapter, loadPretrained, lora } from 'transferkit';
 *
 * const base = await loadPretrained('./all-MiniLM-L6-v2');
 * using adapter = createAdapter(base, lora({ rank: 4, targets: ['query', 'value'] }));
 * console.log(adapter.describe());
 * ```
 */
export function createAdapter(base: Base, recipe: AdapterRecipe, seed = 42): Adapter {
  base.assertUsable();
  if (recipe?.kind !== 'lora')
    throw new TransferKitError(
      'bad-option',
      `an adapter is described by lora({ rank: 8 }).\n  Received: ${JSON.stringify(recipe) ?? 'undefined'}`,
    );
  const { kind: _kind, ...settings } = recipe;
  const checked = lora(settings);
  const { family, built } = base.parts;
  const plan = matchTargets(family.name, built, checked.targets).map(({ layer }) => ({
    layer: layer.name,
    rank: checked.rank,
    alpha: checked.alpha,
  }));
  return new Adapter(base, checked, plan, seed);
}
