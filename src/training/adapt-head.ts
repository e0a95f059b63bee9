import * as tf from '@tensorflow/tfjs-core';
import { disposeAfter, uncollateAll } from '../inference/run-examples.js';
import { collate } from '../inputs/collate.js';
import type { EncodedArray } from '../inputs/input.js';
import { createRandom } from '../common/random.js';
import type { FeatureStore, StoredExample } from './feature-store.js';
import type { TrainingPlan } from './plan.js';
import { StepFunction } from './step.js';
import type { AnyModel } from './weight-set.js';

/** Examples that a head looks at before the first step. */
const adaptSample = 2048;

/** Lets the head look at features and targets of training examples before the first step, as the first step will see them. */
export async function adaptHead(model: AnyModel, train: FeatureStore, { phases, normalization, seed }: TrainingPlan): Promise<void> {
  if (model.head.adapt === undefined) return;
  model.base.freeze = { learns: phases[0]!.learns, normalization };
  const sample = [...createRandom(seed).fork('adapt').permutation(train.count)].slice(0, adaptSample);
  const step = new StepFunction(model, train.firstGroup, {}, createRandom(seed));
  const examples: StoredExample[] = [];
  const columns: EncodedArray[][] = model.headModel.inputs.map(() => []);
  for (let start = 0; start < sample.length; start += 32) {
    const batch = await train.read(sample.slice(start, start + 32));
    examples.push(...batch);
    (await uncollateAll(step.features(batch))).forEach((rows, column) => columns[column]!.push(...rows));
  }
  const features = columns.map((rows) => collate(rows));
  const targets = examples[0]!.target.map((_, index) =>
    collate(
      examples.map((example) => example.target[index]!),
      model.head.targetPadding[index],
    ),
  );
  disposeAfter([...features, ...targets], () => tf.tidy(() => model.head.adapt!(model.headModel, features, targets)));
}
