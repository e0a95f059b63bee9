import { runtime as hereRuntime } from '#runtime';
import { TransferKitError } from '../errors.js';
import type { Modality } from '../inputs/input.js';
import type { Runtime } from '../runtimes/runtime.js';
import { checkDataset } from './check-dataset.js';
import type { Dataset } from './dataset.js';

/** How the data of a modality lies on disk, and what to say when something else was given. */
interface Opener {
  readonly open: (path: string, runtime: Runtime) => Promise<Dataset>;
  /** True when the place holds the other kind of thing. */
  readonly isWrong: (path: string, runtime: Runtime) => Promise<boolean>;
  readonly complaint: (path: string) => string;
}

/** A string with a line break is a table itself, and no path. */
const isTableText = (path: string): boolean => /[\r\n]/.test(path);

/** A path, or the beginning of a table, for messages. */
const shown = (path: string): string => (isTableText(path) ? `${path.slice(0, 40)}...` : path);

const openers: Readonly<Record<Modality, Opener>> = {
  image: {
    open: async (path, runtime) => (await import('./image-folder.js')).imageFolder(path, { runtime }),
    isWrong: async (path, runtime) => isTableText(path) || (await runtime.openFile(path)) !== undefined,
    complaint: (path) =>
      `an image backbone learns from a folder of photos, and "${shown(path)}" is a ${isTableText(path) ? 'table' : 'file'}.\n  Expected: a folder with one sub-folder per class.\n  Fix: pass that folder, or take a text backbone for a table.`,
  },
  text: {
    open: async (path, runtime) => (await import('./table.js')).table(path, { runtime }),
    isWrong: async (path, runtime) => !isTableText(path) && (await runtime.listFolder(path)) !== undefined,
    complaint: (path) =>
      `a text backbone learns from a table of texts, and "${path}" is a folder.\n  Expected: a .csv, .tsv or .jsonl file.\n  Fix: pass that file, or take an image backbone for a folder of photos.`,
  },
};

/**
 * The modality of a data set, or of what lies at a path: photos in a folder, texts in a file or in a table that is given as text.
 * Undefined where there is nothing.
 */
export async function modalityOf(data: string | URL | Dataset, runtime: Runtime = hereRuntime): Promise<Modality | undefined> {
  if (typeof data !== 'string' && !(data instanceof URL)) return data.modality;
  const path = String(data);
  if (isTableText(path)) return 'text';
  if ((await runtime.listFolder(path)) !== undefined) return 'image';
  return (await runtime.openFile(path)) === undefined ? undefined : 'text';
}

/**
 * The data set that a path stands for: a folder of photos for an image backbone, a table for a text backbone. A data set is
 * given back as it is.
 *
 * @throws TransferKitError `bad-data` when the path holds the other kind of data or the data set is of the other modality;
 *   and what `imageFolder` and `table` throw.
 */
export async function openData<M extends Modality, Target>(
  data: string | URL | Dataset<NoInfer<M>, Target>,
  modality: M,
  runtime: Runtime = hereRuntime,
): Promise<Dataset<M, Target>> {
  if (typeof data === 'string' || data instanceof URL) {
    const path = String(data);
    const opener = openers[modality];
    if (await opener.isWrong(path, runtime))
      throw new TransferKitError('bad-data', opener.complaint(path), { details: { path, modality } });
    return (await opener.open(path, runtime)) as unknown as Dataset<M, Target>;
  }
  checkDataset(data, modality);
  return data;
}
