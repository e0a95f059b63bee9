import * as tf from '@tensorflow/tfjs-core';
import { disposeAfter } from '../inference/run-examples.js';
import { createRandom } from '../common/random.js';
import type { FeatureStore } from './feature-store.js';
import type { PhasePlan, TrainingPlan } from './plan.js';
import { gatherFeatures } from './solve-head.js';
import { StepFunction } from './step.js';
import type { AnyModel } from './weight-set.js';

/** Examples that a head looks at before the first step. */
const adaptSample = 2048;

/** What of a plan tells how the first step will see the features. */
export interface FirstStepPlan extends Pick<TrainingPlan, 'normalization' | 'seed'> {
  readonly phases: readonly Pick<PhasePlan, 'learns'>[];
}

/** Lets the head look at features and targets of training examples before the first step, as the first step will see them. */
export async function adaptHead(model: AnyModel, train: FeatureStore, { phases, normalization, seed }: FirstStepPlan): Promise<void> {
  if (model.head.adapt === undefined) return;
  model.base.freeze = { learns: phases[0]!.learns, normalization };
  const sample = [...createRandom(seed).fork('adapt').permutation(train.count)].slice(0, adaptSample);
  const step = new StepFunction(model, { firstGroup: train.firstGroup, loss: {}, mix: null, adapter: false });
  const { features, targets } = await gatherFeatures(model, train, step, sample);
  disposeAfter([...features, ...targets], () => tf.tidy(() => model.head.adapt!(model.headModel, features, targets)));
}
