import type { Base } from '../base.js';
import { TransferKitError } from '../errors.js';
import type { Adapter } from './adapter.js';

function checkIdle(base: Base): void {
  if (base.busy)
    throw new TransferKitError('bad-option', 'this model is being trained, or another on the same base; wait for that run or abort it');
}

/** Whether a model on a base may use an adapter. @throws TransferKitError `bad-option`, `disposed` */
export function checkAdapter(base: Base, adapter: Adapter | undefined): void {
  checkIdle(base);
  if (adapter === undefined) return;
  adapter.assertUsable();
  if (adapter.base === base) return;
  const origins = [base, adapter.base].map(({ provenance }) => `"${provenance.origin}"`);
  throw new TransferKitError(
    'bad-option',
    `this adapter belongs to another base than the model.\n  Expected: an adapter of the base from ${origins[0]} that the model stands on\n  Received: one of a base from ${origins[1]}\n  Fix: load the adapter for this base, with loadAdapter(model.base, path).`,
  );
}

/** Whether the adapter may become part of the base. @throws TransferKitError `bad-option` */
export function checkMerge(base: Base, adapter: Adapter | undefined): asserts adapter is Adapter {
  checkIdle(base);
  if (adapter === undefined)
    throw new TransferKitError('bad-option', 'this model has no adapter to merge.\n  Fix: put one on with model.useAdapter(adapter).');
  if (base.holders === 1) return;
  throw new TransferKitError(
    'bad-option',
    `merging changes the weights of the base, and ${base.holders - 1} other ${base.holders === 2 ? 'model stands' : 'models stand'} on it.\n  Expected: no other model on the base\n  Fix: dispose the others first, or load the base once more for this model.`,
    { details: { models: base.holders } },
  );
}
