import type { Dataset } from '../data/dataset.js';
import type { Extractor } from '../feature-cache/extractor.js';
import { createRandom } from '../common/random.js';
import { createFeatureStore, type FeatureStore, type StoreOptions } from './feature-store.js';
import type { FeatureCacheOptions } from './options.js';
import type { Run } from './run-plan.js';

/** What the caller chose about features, which changes no number. */
export interface StoreChoices {
  readonly cache: FeatureCacheOptions | false;
  /** Worker threads; 0 for this thread. */
  readonly workers: number;
}

/** The examples of a run behind the border that no phase goes below. */
export interface Stores {
  readonly train: FeatureStore;
  readonly validation: FeatureStore | undefined;
  close(): Promise<void>;
}

/** Reads all examples once and computes what lies in front of the deepest border. */
export async function openStores(run: Run): Promise<Stores> {
  const { model, plan, stores } = run;
  const deepest = Math.min(...plan.phases.map(({ firstGroup }) => firstGroup));
  const extractor =
    stores.workers === 0 || model.head.corrupt !== undefined // whose draws come from this thread
      ? undefined
      : await (await import('../workers/worker-extractor.js')).createWorkerExtractor(model, deepest, stores.workers);
  const opened: FeatureStore[] = [];
  const close = async (): Promise<void> => {
    for (const store of opened) await store.close();
    await extractor?.close();
  };
  const open = async (data: Dataset, more: Partial<StoreOptions>): Promise<FeatureStore> => {
    const store = await createFeatureStore(model, data, deepest, { ...storeOptions(run, data, extractor), ...more });
    opened.push(store);
    return store;
  };
  try {
    const random = createRandom(plan.seed).fork('corrupt');
    const augment = plan.augment === null ? {} : { augmentation: plan.augment };
    const train = await open(run.training, { ...augment, views: plan.views, random });
    return { train, validation: run.validation && (await open(run.validation, {})), close };
  } catch (error) {
    await close();
    throw error;
  }
}

function storeOptions({ plan, control, emit, stores }: Run, data: Dataset, extractor: Extractor | undefined): StoreOptions {
  const share = data.length / (plan.examples.train + plan.examples.validation);
  return {
    budget: plan.cacheBytes * share,
    seed: plan.seed,
    views: 0,
    signal: control.signal,
    onItems: (done, total) => emit({ type: 'features', done, total }),
    onWarning: (message) => emit({ type: 'warning', message }),
    ...(stores.cache === false ? {} : { disk: stores.cache }),
    ...(extractor === undefined ? {} : { extractor }),
  };
}
