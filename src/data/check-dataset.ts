import { TransferKitError } from '../errors.js';
import type { Modality } from '../inputs/input.js';
import type { Dataset } from './dataset.js';

const isDataset = (data: unknown): data is Dataset => typeof data === 'object' && data !== null && 'items' in data && 'modality' in data;

const modalityNames: Readonly<Record<Modality, string>> = { image: 'photos', text: 'texts' };

function noDataset(data: unknown): TransferKitError {
  const received = typeof data === 'string' ? `the path "${data}"` : Array.isArray(data) ? `an array of ${data.length}` : typeof data;
  return new TransferKitError(
    'bad-option',
    `a model takes a data set.\n  Received: ${received}\n  Fix: read it first with imageFolder(path), table(path) or examples(list) of transferkit/data.`,
  );
}

/**
 * What callers without types may get wrong: something else than a data set, or one of the other modality.
 * @throws TransferKitError `bad-option`, `bad-data`
 */
export function checkDataset(data: unknown, modality: Modality): void {
  if (!isDataset(data)) throw noDataset(data);
  if (data.modality === modality) return;
  throw new TransferKitError(
    'bad-data',
    `the backbone takes ${modalityNames[modality]}, and ${data.origin} holds ${modalityNames[data.modality]}.\n  Fix: take a backbone and data of the same kind.`,
    { details: { origin: data.origin, expected: modality, received: data.modality } },
  );
}
