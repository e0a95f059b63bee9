import * as tf from '@tensorflow/tfjs-core';
import { createRandom, type Random } from '../../common/random.js';
import { stratifiedFolds } from '../../solving/stratified-folds.js';
import type { SolveOptions } from '../head.js';
import type { SolveExamples } from './solve.js';
import { fitAt, LogisticLoss } from './solve-loss.js';

/** Inverse penalties that are tried, from the strongest penalty on, half a power of ten apart. */
const grid = Array.from({ length: 12 }, (_, index) => 10 ** (-4.5 + index / 2));

/** Taken where every class has a single example, so that there is nothing to choose by. */
const strengthOfSingles = 0.01;

/** Examples that the choice is made on: more change little, and cost as many times. */
const mostExamples = 2000;
const mostFolds = 5;
/** The choice needs no exact weights. */
const tolerance = 3e-4;
/** Among strengths whose loss is within this part of the lowest the strongest penalty is taken: its lead is chance, and simpler is safer. */
const margin = 0.03;
/** The grid ends when the loss has risen this often: it has one valley. */
const mostRises = 2;

/** Examples of some numbers. The caller disposes the features. */
function pick({ features, targets, classes, weights, count }: SolveExamples, chosen: readonly number[]): SolveExamples {
  const rows = new Float32Array(chosen.length * count);
  chosen.forEach((index, place) => rows.set(targets.subarray(index * count, (index + 1) * count), place * count));
  return {
    features: tf.tidy(() => tf.gather(features, tf.tensor1d([...chosen], 'int32'))),
    targets: rows,
    classes: Int32Array.from(chosen, (index) => classes[index]!),
    weights: Float32Array.from(chosen, (index) => weights[index]!),
    count,
  };
}

/** How many examples each class has. */
function countClasses({ classes, count }: SolveExamples): Int32Array {
  const counts = new Int32Array(count);
  for (const label of classes) counts[label]!++;
  return counts;
}

/** Numbers of the examples that the choice is made on: a share of each class where they are many. */
function sample(examples: SolveExamples, random: Random): number[] {
  const all = [...examples.classes.keys()].filter((index) => examples.weights[index]! > 0);
  if (all.length <= mostExamples) return all;
  const parts = Math.ceil(all.length / mostExamples);
  const part = stratifiedFolds(
    all.map((index) => examples.classes[index]),
    parts,
    random,
  );
  return all.filter((_, place) => part[place] === 0);
}

/** One fold: what is fitted, what it is judged on, and where the last fit ended. */
class Fold {
  readonly #train: LogisticLoss;
  readonly #test: LogisticLoss;
  readonly #weight: number;
  #point: Float64Array;

  constructor(examples: SolveExamples, train: readonly number[], test: readonly number[]) {
    const [learnt, judged] = [pick(examples, train), pick(examples, test)];
    this.#train = new LogisticLoss(learnt);
    this.#test = new LogisticLoss(judged);
    tf.dispose([learnt.features, judged.features]);
    this.#weight = judged.weights.reduce((sum, weight) => sum + weight, 0);
    this.#point = new Float64Array(this.#train.shape[0] * this.#train.shape[1]);
  }

  /** Sum of the losses of the examples that were held out. */
  async judge(strength: number, signal: AbortSignal | undefined): Promise<number> {
    this.#point = (await fitAt(this.#train, strength, this.#point, { tolerance, signal })).point;
    return this.#weight * (await this.#test.loss(this.#point));
  }

  dispose(): void {
    this.#train.dispose();
    this.#test.dispose();
  }
}

/** The folds of the cross-validation; none where no class has two examples. An example alone in its class is never held out. */
function foldsOf(examples: SolveExamples, random: Random): Fold[] {
  const chosen = sample(examples, random);
  const counts = countClasses({ ...examples, classes: Int32Array.from(chosen, (index) => examples.classes[index]!) });
  const several = [...counts].filter((count) => count > 1);
  if (several.length === 0) return [];
  const folds = Math.min(mostFolds, Math.max(2, Math.min(...several)));
  const fold = stratifiedFolds(
    chosen.map((index) => examples.classes[index]),
    folds,
    random,
  );
  const heldOut = (place: number): boolean => counts[examples.classes[chosen[place]!]!]! > 1;
  return Array.from({ length: folds }, (_, number) => {
    const isTest = chosen.map((_index, place) => fold[place] === number && heldOut(place));
    return new Fold(
      examples,
      chosen.filter((_index, place) => !isTest[place]),
      chosen.filter((_index, place) => isTest[place]),
    );
  });
}

/**
 * Chooses the inverse penalty by stratified cross-validation: the strongest penalty whose loss on held-out examples is not much
 * above the lowest. Each fit starts where the one with the next stronger penalty ended.
 */
export async function chooseStrength(examples: SolveExamples, { seed, signal }: SolveOptions): Promise<number> {
  const folds = foldsOf(examples, createRandom(seed).fork('strength'));
  const tried: { readonly strength: number; readonly loss: number }[] = [];
  let lowest = Infinity;
  let rises = 0;
  try {
    for (const strength of folds.length === 0 ? [] : grid) {
      let loss = 0;
      for (const fold of folds) loss += await fold.judge(strength, signal);
      tried.push({ strength, loss });
      rises = loss > lowest ? rises + 1 : 0;
      lowest = Math.min(lowest, loss);
      if (rises === mostRises) break;
    }
  } finally {
    for (const fold of folds) fold.dispose();
  }
  return tried.find(({ loss }) => loss <= lowest * (1 + margin))?.strength ?? strengthOfSingles;
}
