import type { Dataset, SkippedItem } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import { inOrder } from '../inputs/encode.js';
import type { EncodedArray, EncodedInput } from '../inputs/input.js';
import { createRandom, hash32, type Random } from '../common/random.js';
import { encodeBranches } from '../model.js';
import type { AnyModel } from '../training/weight-set.js';

/** An example that was read: its inputs and its target as numbers. */
export interface ReadItem {
  readonly id: string;
  /** Place in the data set. */
  readonly index: number;
  readonly branches: readonly EncodedInput[];
  readonly target: readonly EncodedArray[];
  readonly rawTarget: unknown;
}

/**
 * Reads one example of a data set.
 * @param random draws for heads that corrupt their inputs; without it the same example is corrupted the same way every time
 */
export async function readItem(model: AnyModel, data: Dataset, index: number, random?: Random): Promise<ReadItem> {
  const { id, input, target: rawTarget } = data.items[index]!;
  const [encoded] = await encodeBranches(model.base, model.head.branches, [input]);
  const branches = model.head.corrupt?.(encoded!, random ?? createRandom(hash32(id))) ?? encoded!;
  return { id, index, branches, target: model.head.encode(rawTarget, branches), rawTarget };
}

/** The same error, with the example named and the way out. */
function badItem(id: string, error: TransferKitError): TransferKitError {
  const message = error.message.slice(error.code.length + 2);
  const details = { ...error.details, id };
  return new TransferKitError(error.code, `${id}: ${message}\n  Fix: mend or remove it, or read the data with onBadItem: 'skip'.`, {
    cause: error,
    details,
  });
}

async function readOrSkip(model: AnyModel, data: Dataset, index: number): Promise<ReadItem | SkippedItem> {
  const { id } = data.items[index]!;
  try {
    return await readItem(model, data, index);
  } catch (error) {
    if (!TransferKitError.isInstance(error)) throw error;
    // A package that is missing would make every example a bad one.
    if (error.code === 'missing-package') throw error;
    if (data.onBadItem === 'error') throw badItem(id, error);
    return { id, reason: error.message };
  }
}

/**
 * Reads examples `start` (included) to `end` (excluded), several at once. Those that cannot be read are listed in `skipped` where
 * the data set says so.
 * @throws TransferKitError what a bad example raises, with its id, where bad examples are not skipped
 */
export async function readItems(model: AnyModel, data: Dataset, start: number, end: number, skipped: SkippedItem[]): Promise<ReadItem[]> {
  const items: ReadItem[] = [];
  for await (const item of inOrder(end - start, (offset) => readOrSkip(model, data, start + offset))) {
    if ('reason' in item) skipped.push(item);
    else items.push(item);
  }
  return items;
}
