import type { Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import type { FineTuneOptions } from './options.js';
import type { AnyModel } from './weight-set.js';

/** Labels that the head does not know are found before anything is computed. */
export function checkLabels(model: AnyModel, data: Dataset, part: string): void {
  const known = model.head.card.labels;
  if (known === undefined) return;
  const unknown = data.labels.filter((label) => !known.includes(label));
  if (unknown.length === 0) return;
  throw new TransferKitError(
    'bad-data',
    `the ${part} data (${data.origin}) has labels that the model does not know: ${unknown.map((label) => `"${label}"`).join(', ')}.\n  Known: ${known.join(', ')}\n  Fix: remove these examples, or make the head with all labels.`,
    { details: { unknown, known } },
  );
}

/** Options that the head cannot honour are refused, not ignored. */
export function checkLossOptions(model: AnyModel, options: FineTuneOptions): void {
  const { head } = model;
  if (options.labelSmoothing !== undefined && !head.lossOptions.includes('labelSmoothing'))
    throw new TransferKitError('bad-option', `labelSmoothing means nothing to the head "${head.name}"`);
  if (options.classWeights !== undefined && head.exampleWeights === undefined)
    throw new TransferKitError('bad-option', `classWeights mean nothing to the head "${head.name}"`);
}
