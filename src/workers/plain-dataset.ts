import { createDataset, type DatasetParts } from '../data/create-dataset.js';
import type { Dataset } from '../data/dataset.js';
import type { Modality } from '../inputs/input.js';
import { toCloneable } from './to-cloneable.js';

/** A data set as it crosses between threads: its items and what it was made with. */
export type PlainDataset = DatasetParts<Modality, unknown>;

/** @throws TransferKitError `bad-option` for an input or target that cannot be copied, naming its item */
export function toPlainDataset({ modality, items, origin, skipped, onBadItem }: Dataset): PlainDataset {
  const plain = items.map((item) => ({
    ...item,
    input: toCloneable(item.input, `the input of "${item.id}"`) as typeof item.input,
    target: toCloneable(item.target, `the target of "${item.id}"`),
  }));
  return { modality, items: plain, origin, skipped, onBadItem };
}

export const fromPlainDataset = (plain: PlainDataset): Dataset => createDataset(plain);
