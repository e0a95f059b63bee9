import { TransferKitError } from '../errors.js';
import type { DataItem } from './dataset.js';

/** What the weight of an example must be, in words. */
export const weightExpected = 'a number of at least 0';

/** Whether a value can be the weight of an example. */
export const isWeight = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value) && value >= 0;

/** @throws TransferKitError `bad-data` naming the first example whose weight is none */
export function checkWeights(items: readonly DataItem[], origin: string): void {
  const broken = items.find(({ weight }) => weight !== undefined && !isWeight(weight));
  if (broken === undefined) return;
  throw new TransferKitError(
    'bad-data',
    `the weight of ${broken.id} of ${origin} cannot be used.\n  Expected: ${weightExpected}\n  Received: ${String(broken.weight)}`,
    { details: { id: broken.id, weight: broken.weight } },
  );
}
