import { Averages } from './averages.js';
import { orderedBatches } from './batches.js';
import type { FeatureStore } from './feature-store.js';
import type { StepFunction } from './step.js';
import type { AnyModel } from './weight-set.js';

/** Examples judged at once. */
const batchSize = 32;

/** Loss and metrics of a model over all examples of a store, each counted alike. */
export async function judge(model: AnyModel, step: StepFunction, store: FeatureStore): Promise<Record<string, number>> {
  const averages = new Averages(['loss', ...Object.keys(model.head.metrics)]);
  for (const batch of orderedBatches(store.count, batchSize)) {
    const ones = batch.map(() => 1);
    averages.add(await step.evaluate(await store.read(batch), ones), batch.length);
  }
  return averages.read();
}
