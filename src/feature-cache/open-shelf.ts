import type { Records } from '../runtimes/runtime.js';
import type { StoreOptions } from '../training/feature-store.js';
import type { AnyModel } from '../training/weight-set.js';
import { FeatureShelf, worthMilliseconds } from './feature-shelf.js';

const defaultDiskBytes = 10 * 2 ** 30;

/** A shelf and what is to be closed with it. */
export interface OpenShelf {
  readonly shelf: FeatureShelf;
  /** Views that may be kept: the plain one, and augmented ones up to this number. -1 where nothing may. */
  readonly lastView: number;
  readonly disk: Records | undefined;
}

/** Opens the place on disk, where there is one and something to be kept there. */
async function openDisk(model: AnyModel, firstGroup: number, { disk, onWarning }: StoreOptions): Promise<Records | undefined> {
  const { runtime, processor } = model.base.parts;
  if (disk === undefined || runtime.openRecords === undefined || processor.content === undefined) return undefined;
  const { storeIdentity } = await import('./store-key.js');
  const { name, about } = await storeIdentity(model, firstGroup);
  const { directory, maxBytes = defaultDiskBytes } = disk;
  return runtime.openRecords({ place: ['features', name], about, directory, maxBytes, onWarning });
}

/**
 * Makes the shelf for features at a border. A head that corrupts its inputs sees them anew each time: nothing is kept. In front of
 * the first group lie only the inputs themselves: they are kept in memory, and changed anew where they are changed.
 */
export async function openShelf(
  model: AnyModel,
  firstGroup: number,
  count: number,
  options: StoreOptions,
  budget: number,
): Promise<OpenShelf> {
  const corrupts = model.head.corrupt !== undefined;
  const views = options.augmentation === undefined ? 0 : (options.views ?? 0);
  const lastView = corrupts ? -1 : firstGroup === 0 ? 0 : views;
  const disk = corrupts || firstGroup === 0 ? undefined : await openDisk(model, firstGroup, options);
  const worth = options.disk?.worthMilliseconds ?? worthMilliseconds;
  return {
    shelf: new FeatureShelf({ count, views: lastView + 1, budget: Math.max(0, budget), disk, worthMilliseconds: worth }),
    lastView,
    disk,
  };
}
