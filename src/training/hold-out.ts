import { checkDataset } from '../data/check-dataset.js';
import type { Dataset } from '../data/dataset.js';
import type { FineTuneOptions } from './options.js';
import type { Strategy } from './strategy.js';

/** Training data and what is held out of it to choose the best weights. */
export interface HeldOut {
  readonly training: Dataset;
  readonly validation: Dataset | undefined;
  /** Where validation comes from, in words. */
  readonly reason: string;
}

/** A tenth of fewer is less than 50 examples: their loss is chance, and stopping by it leaves a head half trained. */
const enoughToHoldOut = 500;

/** A label that only validation has counts against the model, and nothing is learnt about it. */
function given(training: Dataset, validation: Dataset): HeldOut {
  checkDataset(validation, training.modality);
  const lacking = validation.labels.filter((label) => !training.labels.includes(label));
  const note = lacking.length === 0 ? '' : `; no training example has its labels ${lacking.map((label) => `"${label}"`).join(', ')}`;
  return { training, validation: validation.length === 0 ? undefined : validation, reason: `validation as given${note}` };
}

/** Takes validation as given, or holds a stratified part out where there is enough. */
export function holdOut(data: Dataset, options: FineTuneOptions, { stages }: Strategy): HeldOut {
  const { validation: wanted } = options;
  if (wanted !== undefined && typeof wanted !== 'number') return given(data, wanted);
  if (wanted === undefined && stages.every(({ solve }) => solve !== undefined))
    return { training: data, validation: undefined, reason: 'none is held out, for no epoch has to be chosen' };
  const fraction = wanted ?? (data.length < enoughToHoldOut ? 0 : 0.1);
  if (fraction === 0)
    return {
      training: data,
      validation: undefined,
      reason: wanted === 0 ? 'no validation, as asked' : `too few to hold any out (fewer than ${enoughToHoldOut})`,
    };
  const parts = data.split({ validation: fraction, seed: options.seed ?? 42 });
  return {
    training: parts.train,
    validation: parts.validation,
    reason: `${Math.round(fraction * 100)} % held out, in the proportions of the labels`,
  };
}
