import type { DataItem, Dataset, SkippedItem } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import type { ViewRequest } from '../feature-cache/extractor.js';
import { viewRandom } from '../inputs/augment/view-random.js';
import { inOrder } from '../inputs/encode.js';
import type { EncodedArray, EncodedInput } from '../inputs/input.js';
import { createRandom, hash32, type Random } from '../common/random.js';
import { encodeBranches } from '../model.js';
import type { AnyModel } from '../training/weight-set.js';

/** An example that was read: its inputs and its target as numbers. */
export interface ReadItem {
  readonly id: string;
  readonly branches: readonly EncodedInput[];
  readonly target: readonly EncodedArray[];
  readonly rawTarget: unknown;
}

/** How an example is read. */
export interface ReadOptions {
  /** A random change of it; absent for the example as it is. */
  readonly view?: ViewRequest | undefined;
  /** Draws for heads that corrupt their inputs; without it the same example is corrupted the same way every time. */
  readonly random?: Random | undefined;
}

/** The inputs of one example, each changed by draws of its own. */
async function encodeView(model: AnyModel, { id, input }: DataItem, { augmentation, seed, view }: ViewRequest): Promise<EncodedInput[]> {
  const { processor } = model.base.parts;
  const inputs = model.head.branches === 1 ? [input] : (input as readonly unknown[]);
  return Promise.all(inputs.map((raw, branch) => processor.encode(raw, { augmentation, random: viewRandom(seed, id, view, branch) })));
}

/** Reads one example of a data set. */
async function readItem(model: AnyModel, item: DataItem, { view, random }: ReadOptions = {}): Promise<ReadItem> {
  const { id, target: rawTarget } = item;
  const encoded =
    view === undefined ? (await encodeBranches(model.base, model.head.branches, [item.input]))[0]! : await encodeView(model, item, view);
  const branches = model.head.corrupt?.(encoded, random ?? createRandom(hash32(id))) ?? encoded;
  return { id, branches, target: model.head.encode(rawTarget, branches), rawTarget };
}

/** The same error, with the example named and the way out. */
export function badItem(id: string, error: TransferKitError): TransferKitError {
  const message = error.message.slice(error.code.length + 2);
  const details = { ...error.details, id };
  return new TransferKitError(error.code, `${id}: ${message}\n  Fix: mend or remove it, or read the data with onBadItem: 'skip'.`, {
    cause: error,
    details,
  });
}

/**
 * Reads one example, or says what is wrong with it.
 * @throws TransferKitError `missing-package`, which would make every example a bad one; anything that is no TransferKitError
 */
export async function tryReadItem(model: AnyModel, item: DataItem, options?: ReadOptions): Promise<ReadItem | { error: TransferKitError }> {
  try {
    return await readItem(model, item, options);
  } catch (error) {
    if (!TransferKitError.isInstance(error) || error.code === 'missing-package') throw error;
    return { error };
  }
}

/** What becomes of an example that cannot be read. @throws TransferKitError the same, with its id, where it is not to be skipped */
export function skipOrThrow(data: Dataset, id: string, error: TransferKitError): SkippedItem {
  if (data.onBadItem === 'error') throw badItem(id, error);
  return { id, reason: error.message };
}

/**
 * Reads examples `start` (included) to `end` (excluded), several at once. Those that cannot be read are listed in `skipped` where
 * the data set says so.
 * @throws TransferKitError what a bad example raises, with its id, where bad examples are not skipped
 */
export async function readItems(model: AnyModel, data: Dataset, start: number, end: number, skipped: SkippedItem[]): Promise<ReadItem[]> {
  const items: ReadItem[] = [];
  let index = start;
  for await (const item of inOrder(end - start, (offset) => tryReadItem(model, data.items[start + offset]!))) {
    const { id } = data.items[index++]!;
    if ('error' in item) skipped.push(skipOrThrow(data, id, item.error));
    else items.push(item);
  }
  return items;
}
