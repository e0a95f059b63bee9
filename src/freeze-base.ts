import type { Base, NormalizationMode } from './base.js';
import { learningGroups, type Unfreeze } from './layers/learning-groups.js';
import { unknownName } from './common/nearest-name.js';

/** Options of `freezeBase`. */
export interface FreezeOptions {
  /** Which groups learn. Default `'none'`. */
  readonly unfreeze?: Unfreeze;
  /** What normalisation layers of unfrozen groups do. Default `'inference'`. */
  readonly normalization?: NormalizationMode;
}

/**
 * Decides which layer groups of a base learn; the rest is frozen. Frozen means frozen, as in Keras: neither weights nor
 * normalisation statistics of a frozen group change by a bit, and its normalisation and dropout stay in inference mode.
 *
 * Weightless tail groups are counted by `{ last: n }` like any other; `base.groups` lists them. Changes the base it is given
 * and returns it, so that calls can be chained. `fineTune({ unfreeze })` overrules it.
 *
 * @throws TransferKitError `bad-option`; `unknown-name` with the list of groups; `unsupported` for groups that cannot be trained, as
 *   those of an ONNX graph; `disposed`
 * @example
 * ```ts
 * import { freezeBase, loadPretrained } from 'transferkit';
 *
 * const base = await loadPretrained('./mobilenet-v2');
 * freezeBase(base, { unfreeze: { from: 'block-13' } });
 * console.log(base.describe());
 * ```
 */
export function freezeBase<B extends Base>(base: B, options: FreezeOptions = {}): B {
  base.assertUsable();
  const normalization = options.normalization ?? 'inference';
  if (normalization !== 'inference' && normalization !== 'batch')
    throw unknownName('normalization mode', String(normalization), ['inference', 'batch']);
  base.freezeIsChosen = true;
  base.freeze = { learns: learningGroups(options.unfreeze ?? 'none', base.parts.built.groups), normalization };
  return base;
}
