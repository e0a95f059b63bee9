import { Base } from './base.js';
import { checkDataset } from './data/check-dataset.js';
import type { Dataset } from './data/dataset.js';
import { openData } from './data/open-data.js';
import { TransferKitError } from './errors.js';
import { loadOptionNames, loadPretrained, type LoadOptions, type PretrainedId } from './load-pretrained.js';
import { Model } from './model.js';
import type { AnyModel } from './training/weight-set.js';

/** What few-shot training and cross-validation start from: a model, a base, or what `loadPretrained` takes. */
export type Start = AnyModel | Base | PretrainedId;

/** A base with examples for it. */
export interface BaseAndData {
  readonly base: Base;
  /** Where a model was given. */
  readonly model: AnyModel | undefined;
  readonly examples: Dataset;
  /** Whether the base was loaded here, and is to be freed here when something fails. */
  readonly loaded: boolean;
}

/** Gives the base that was meant, loaded where it was named, and the examples, read where a path was given. */
export async function baseAndData(start: Start, data: Dataset | string, options: LoadOptions): Promise<BaseAndData> {
  const given = start instanceof Model ? start : undefined;
  given?.assertUsable();
  const loaded = given === undefined && !(start instanceof Base);
  const base = given?.base ?? (loaded ? await loadPretrained(start as PretrainedId, options) : (start as Base));
  try {
    base.assertUsable();
    if (typeof data !== 'string') checkDataset(data, base.modality);
    const examples = typeof data === 'string' ? await openData(data, base.modality, base.parts.runtime) : data;
    return { base, model: given, examples, loaded };
  } catch (error) {
    if (loaded) base.dispose();
    throw error;
  }
}

/** The targets of examples as labels. @throws TransferKitError `bad-data` naming the first that is none */
export function labelsOf({ origin, items }: Dataset): string[] {
  const other = items.find(({ target }) => typeof target !== 'string');
  if (other === undefined) return items.map(({ target }) => target as string);
  throw new TransferKitError(
    'bad-data',
    `the targets of ${origin} are no labels.\n  Expected: a string for every example\n  Received: ${JSON.stringify(other.target)} for ${other.id}\n` +
      '  Fix: turn them into strings, or put a head for such targets on the base with addHead, and train that model.',
    { details: { origin, id: other.id } },
  );
}

/** Options of loading apart from all others. `signal` belongs to both. */
export function splitLoadOptions<Options extends LoadOptions>(
  options: Options,
): { load: LoadOptions; rest: Omit<Options, Exclude<keyof LoadOptions, 'signal'>> } {
  const names: readonly string[] = loadOptionNames;
  const pick = <Part>(wanted: (name: string) => boolean): Part =>
    Object.fromEntries(Object.entries(options).filter(([name]) => wanted(name))) as Part;
  return { load: pick((name) => names.includes(name)), rest: pick((name) => name === 'signal' || !names.includes(name)) };
}
