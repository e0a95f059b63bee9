import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import { uncollateAll } from '../inference/run-examples.js';
import { collate } from '../inputs/collate.js';
import type { SolveResult } from '../heads/head.js';
import type { EncodedArray } from '../inputs/input.js';
import type { FeatureStore, StoredExample } from './feature-store.js';
import type { EpochRecord } from './history.js';
import { judge } from './judge.js';
import type { PhasePlan } from './plan.js';
import { StepFunction } from './step.js';
import type { PhaseContext, PhaseResult } from './train-phase.js';
import type { AnyModel } from './weight-set.js';

/** Features and targets of all examples, each as one tensor. */
export interface GatheredFeatures {
  readonly features: tf.Tensor[];
  readonly targets: tf.Tensor[];
}

/** Brings examples of a store together, view after view, as the head's inputs and targets. Caller disposes. */
export async function gatherFeatures(
  model: AnyModel,
  store: FeatureStore,
  step: StepFunction,
  indices: readonly number[],
  views: readonly number[] = [0],
): Promise<GatheredFeatures> {
  const columns: EncodedArray[][] = model.headModel.inputs.map(() => []);
  const targets: EncodedArray[][] = [];
  for (const view of views)
    for (let start = 0; start < indices.length; start += 32) {
      const batch: StoredExample[] = await store.read(indices.slice(start, start + 32), view);
      (await uncollateAll(step.features(batch))).forEach((rows, column) => columns[column]!.push(...rows));
      for (const { target } of batch) target.forEach((array, column) => (targets[column] ??= []).push(array));
    }
  return {
    features: columns.map((rows) => collate(rows)),
    targets: targets.map((rows, column) => collate(rows, model.head.targetPadding[column])),
  };
}

/** Fits the head at once to the features of all training examples, and judges it on the validation examples. */
export async function solveHead(context: PhaseContext, { solver, strength }: NonNullable<PhasePlan['solve']>): Promise<PhaseResult> {
  const { model, plan, phase, train, validation, exampleWeights, control, emit } = context;
  const { head } = model;
  if (head.solve === undefined || !(head.solvers ?? []).includes(solver))
    throw new TransferKitError(
      'unsupported',
      `the head "${head.name}" cannot be fitted by "${solver}".\n  It knows: ${(head.solvers ?? []).join(', ') || 'no such way'}\n  Fix: choose a strategy that trains it step by step, such as "head".`,
    );
  const started = performance.now();
  const step = new StepFunction(model, { firstGroup: train.firstGroup, loss: {}, mix: null, adapter: false });
  // Augmented views are examples like the others: the optimum is that of the whole set.
  const views = [...Array(plan.views + 1).keys()];
  const { features, targets } = await gatherFeatures(model, train, step, [...Array(train.count).keys()], views);
  let solved: SolveResult;
  try {
    solved = await head.solve(model.headModel, features, targets, {
      solver,
      strength,
      weights: Float32Array.from(views.flatMap(() => [...exampleWeights])),
      seed: plan.seed,
      signal: control.signal,
    });
  } catch (error) {
    // Behind a phase that has trained something there is a model to give back; else there is nothing yet.
    if (control.signal.aborted && context.epochsBefore > 0) return { epochs: [], bestEpoch: 0, ended: 'aborted' };
    throw error;
  } finally {
    tf.dispose([...features, ...targets]);
  }
  const record = {
    phase: phase.name,
    epoch: 1,
    ...(await judgeBoth(model, step, train, validation)),
    solved,
    learningRate: 0,
    seconds: (performance.now() - started) / 1000,
  } as EpochRecord;
  emit({ type: 'epoch', record });
  return { epochs: [record], bestEpoch: 1, ended: 'completed' };
}

/** Figures of the training examples and of those for validation. */
async function judgeBoth(
  model: AnyModel,
  step: StepFunction,
  train: FeatureStore,
  validation: FeatureStore | undefined,
): Promise<Record<string, unknown>> {
  try {
    const figures = await judge(model, step, train);
    return { ...figures, ...(validation === undefined ? {} : { validation: await judge(model, step, validation) }) };
  } finally {
    step.dispose();
  }
}
