import type { Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import { bordersOf } from '../feature-cache/borders.js';
import type { Runtime } from '../runtimes/runtime.js';
import { assertMixes } from './mix.js';
import type { FeatureCacheOptions, FineTuneOptions } from './options.js';
import type { TrainingPlan } from './plan.js';
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

/** Mixing is refused before the first phase, not in the middle of a run. */
export function checkMixing(model: AnyModel, { mix, phases }: TrainingPlan): void {
  if (mix === null) return;
  for (const { firstGroup, solve } of phases) if (solve === null) assertMixes(mix, bordersOf(model, firstGroup));
}

/** Options that the head or the data cannot honour are refused, not ignored. */
export function checkAgainstHead({ head }: AnyModel, data: Dataset, options: FineTuneOptions): void {
  const refuse = (name: string, why = `means nothing to the head "${head.name}"`): never => {
    throw new TransferKitError('bad-option', `${name} ${why}`, { details: { option: name } });
  };
  for (const name of ['labelSmoothing', 'focalGamma'] as const)
    if (options[name] !== undefined && !head.lossOptions.includes(name)) refuse(name);
  if (options.classWeights !== undefined && head.exampleWeights === undefined) refuse('classWeights');
  if (options.mix !== undefined && head.softTargets !== true)
    refuse('mix', `needs a head whose targets can be mixed, and "${head.name}" has none such`);
  if (options.sampling === 'balanced' && data.labels.length === 0) refuse('sampling: "balanced"', 'needs labels, and the targets are none');
}

/**
 * A place on disk that was asked for must be one; where nothing was said, features go to disk where the runtime can.
 * @throws TransferKitError `unsupported`
 */
export function checkDisk(runtime: Runtime, cache: FeatureCacheOptions | false | undefined): void {
  if (cache === undefined || cache === false || runtime.openRecords !== undefined) return;
  throw new TransferKitError(
    'unsupported',
    `the runtime "${runtime.name}" cannot keep features on disk.
  Expected: cache false, or none
  Received: cache ${JSON.stringify(cache)}
  Fix: leave cache out; features are kept in memory as far as cacheBytes goes, and computed again beyond it.`,
    { details: { option: 'cache', runtime: runtime.name } },
  );
}
