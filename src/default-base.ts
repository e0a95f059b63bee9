import { runtime as hereRuntime } from '#runtime';
import { pretrainedNames } from './catalogue.js';
import { nearestName } from './common/nearest-name.js';
import type { Dataset } from './data/dataset.js';
import { modalityOf } from './data/open-data.js';
import { TransferKitError } from './errors.js';
import type { Modality } from './inputs/input.js';
import type { Runtime } from './runtimes/runtime.js';

/** The base for data of a modality where none is named: it ships with the package, so it is always there. */
const defaults: Readonly<Record<Modality, { readonly name: string; readonly inputs: string }>> = {
  image: { name: 'image-small', inputs: 'photos' },
  text: { name: 'text-small', inputs: 'texts' },
};

/** A base that was chosen for some data, and why. */
export interface ChosenBase {
  readonly name: string;
  readonly reason: string;
}

/**
 * The base for data that came without one.
 * @throws TransferKitError `bad-option` for what is a base and not data, or neither; `not-found` for a path with nothing at it
 */
export async function defaultBase(data: unknown, runtime: Runtime = hereRuntime): Promise<ChosenBase> {
  if (typeof data !== 'string' && !isDataset(data)) throw noData(data);
  if (typeof data === 'string') await refuseBase(data, runtime);
  const modality = await modalityOf(data, runtime);
  if (modality === undefined) throw nothingAt(data as string);
  const { name, inputs } = defaults[modality];
  return { name, reason: `no base was named: ${name}, which ships with the package, is the one for ${inputs}` };
}

const isDataset = (data: unknown): data is Dataset => typeof data === 'object' && data !== null && 'items' in data && 'modality' in data;

/** A base alone is a slip: the name of one, an address, or a folder or file of weights. */
async function refuseBase(text: string, runtime: Runtime): Promise<void> {
  if (/[\r\n]/.test(text)) return; // a table itself, and no path
  if (Object.hasOwn(pretrainedNames, text)) throw baseWithoutData(text, 'the name of a base', `; a folder of that name is './${text}'`);
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text)?.[1]?.toLowerCase() ?? 'file';
  if (!['file', 'http', 'https'].includes(scheme)) throw baseWithoutData(text, 'the address of a base');
  const names = (await runtime.listFolder(text))?.map(({ name }) => name) ?? [text];
  if (names.some((name) => /(^|[/\\])model\.json$|\.safetensors$/.test(name))) throw baseWithoutData(text, 'a checkpoint');
}

const baseWithoutData = (received: string, what: string, more = ''): TransferKitError =>
  new TransferKitError(
    'bad-option',
    `"${received}" is ${what}, and there is no data to learn from.\n  Expected: fineTune(base, data), or fineTune(data)\n` +
      `  Fix: give the data as the second argument, as in fineTune('${received}', 'photos/')${more}.`,
    { details: { received } },
  );

function nothingAt(path: string): TransferKitError {
  const nearest = nearestName(path, Object.keys(pretrainedNames));
  const guess = nearest === undefined ? '' : ` If the base "${nearest}" was meant, give the data as the second argument.`;
  return new TransferKitError(
    'not-found',
    `there is no data at "${path}".\n  Expected: a folder of photos with one sub-folder per class, or a .csv, .tsv or .jsonl file of labelled texts\n` +
      `  Fix: check the path; relative paths start at the current folder.${guess}`,
    { details: { path, nearest } },
  );
}

/** What else was given, in words. */
const kindOf = (value: unknown): string =>
  value === undefined || value === null
    ? 'nothing'
    : Array.isArray(value)
      ? `an array of ${value.length}`
      : `a value of type ${typeof value}`;

const noData = (received: unknown): TransferKitError =>
  new TransferKitError(
    'bad-option',
    `fineTune needs data to learn from.\n  Expected: a path or a data set, behind a model or a base, or alone\n  Received: ${kindOf(received)}\n` +
      '  Fix: pass the path of a folder of photos or of a table, or what imageFolder, table or examples of transferkit/data give.',
  );
