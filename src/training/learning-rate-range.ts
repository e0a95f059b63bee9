import { breathe } from '../engines/breathe.js';
import type { AdapterRecipe } from '../adapters/recipe.js';
import { createRandom, type Random } from '../common/random.js';
import type { Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import type { Unfreeze } from '../layers/learning-groups.js';
import { adaptHead } from './adapt-head.js';
import { shuffledBatches } from './batches.js';
import { beginTraining } from './begin-training.js';
import { createFeatureStore, type FeatureStore } from './feature-store.js';
import { SmoothedLoss, type RateCurve } from './learning-rate-suggestions.js';
import { Optimizer } from './optimizer.js';
import type { OptimizerRecipe } from './optimizer-recipe.js';
import type { FeatureCacheOptions } from './options.js';
import { StepFunction } from './step.js';
import { changingWeights, learningWeights, takeSnapshot, type AnyModel } from './weight-set.js';

/** Every number of a range test. */
export interface RangeTest {
  readonly unfreeze: Unfreeze | undefined;
  readonly adapter: AdapterRecipe | undefined;
  /** Undefined for what suits the layers that learn. */
  readonly batchSize: number | undefined;
  readonly steps: number;
  readonly from: number;
  readonly to: number;
  readonly seed: number;
  readonly optimizer: OptimizerRecipe;
  readonly cache: FeatureCacheOptions | false;
  readonly signal: AbortSignal | undefined;
  readonly onStep: (done: number) => void;
}

/** Decay and clipping of a usual run; a rate of 10 would let strong decay alone blow weights up. */
const weightDecay = 0.01;
const gradientClip = 1;

/** Ends the test when the smoothed loss is so many times its best. */
const tooMuch = 4;

const memoryBudget = 2 ** 30;

/**
 * Trains for some steps while the rate grows from step to step, and puts every weight, the head and the freeze state back to the bit,
 * however it ends.
 * @source Smith, Cyclical Learning Rates for Training Neural Networks, 2017; the exponential growth and the end are fastai's
 */
export async function learningRateRange(model: AnyModel, data: Dataset, test: RangeTest): Promise<RateCurve> {
  const { unfreeze, adapter, seed } = test;
  const start = beginTraining(model, data.length, { ...(unfreeze && { unfreeze }), ...(adapter && { adapter }), seed });
  const { freeze } = start;
  const parts = { learns: freeze.learns, adapter: model.adapter !== undefined };
  const before = takeSnapshot(changingWeights(model, parts));
  try {
    model.base.freeze = freeze;
    checkLearns(model, parts);
    return await withStore(model, data, test, async (store, batchSize) => {
      // The head is adapted as in a training with one phase.
      await adaptHead(model, store, { phases: [{ learns: freeze.learns }], normalization: freeze.normalization, seed });
      return climb(model, store, batchSize, test);
    });
  } finally {
    before.restore();
    before.dispose();
    start.undo();
  }
}

function checkLearns(model: AnyModel, parts: Parameters<typeof learningWeights>[1]): void {
  if (learningWeights(model, parts).length > 0) return;
  throw new TransferKitError(
    'nothing-to-train',
    'every weight is frozen and the head has none of its own, so no learning rate can be found.\n  Fix: pass unfreeze, for example { last: 1 }.',
  );
}

/** Runs what is frozen over as many examples as the test can meet. */
async function withStore<Result>(
  model: AnyModel,
  data: Dataset,
  { batchSize, steps, seed, signal, cache }: RangeTest,
  use: (store: FeatureStore, batchSize: number) => Promise<Result>,
): Promise<Result> {
  const { learns } = model.base.freeze;
  const firstLearning = learns.includes(true) ? learns.indexOf(true) : learns.length;
  const firstGroup = Math.min(firstLearning, model.adapter?.firstGroup ?? learns.length);
  const size = batchSize ?? (firstGroup === learns.length ? 64 : 16);
  const sample = data.shuffle(seed).take(Math.min(data.length, steps * size));
  const random = createRandom(seed).fork('corrupt');
  const options = { budget: memoryBudget, random, signal, ...(cache !== false && { disk: cache }) };
  const store = await createFeatureStore(model, sample, firstGroup, options);
  try {
    return await use(store, size);
  } finally {
    await store.close();
  }
}

/** Batches without end, each pass over the examples in a new order. */
function* endlessBatches({ lengths }: FeatureStore, batchSize: number, seed: number): Generator<readonly number[]> {
  const random = createRandom(seed).fork('shuffle');
  for (;;) yield* shuffledBatches(lengths, batchSize, random);
}

/** Raises the rate step by step until the loss has grown far above its best, or there are no more steps. */
async function climb(model: AnyModel, store: FeatureStore, batchSize: number, test: RangeTest): Promise<RateCurve> {
  const { steps, from, to, seed, signal, onStep } = test;
  const curve = { rates: [] as number[], losses: [] as number[], smoothed: [] as number[] };
  const average = new SmoothedLoss();
  let best = Number.POSITIVE_INFINITY;
  const trainer = new RangeTrainer(model, store, test);
  try {
    for (const batch of endlessBatches(store, batchSize, seed)) {
      await breathe();
      const done = curve.rates.length;
      if (signal?.aborted) throw aborted(done, signal);
      const rate = from * (to / from) ** (done / (steps - 1));
      const loss = await trainer.step(batch, rate, done);
      if (!Number.isFinite(loss)) break;
      const smooth = average.add(loss);
      best = Math.min(best, smooth);
      curve.rates.push(rate);
      curve.losses.push(loss);
      curve.smoothed.push(smooth);
      onStep(done + 1);
      if (done + 1 === steps || smooth > tooMuch * best) break;
    }
  } finally {
    trainer.dispose();
  }
  return curve;
}

/** Takes single steps, all weights at one rate. */
class RangeTrainer {
  readonly #step: StepFunction;
  readonly #optimizer: Optimizer;
  /** Places in the list of rates. */
  readonly #places: number;
  readonly #random: Random;

  constructor(
    model: AnyModel,
    private readonly store: FeatureStore,
    { optimizer: recipe, seed }: RangeTest,
  ) {
    const adapter = model.adapter !== undefined;
    const weights = learningWeights(model, { learns: model.base.freeze.learns, adapter });
    this.#step = new StepFunction(model, { firstGroup: store.firstGroup, loss: {}, mix: null, adapter });
    this.#optimizer = new Optimizer(weights, { recipe, gradientClip, accumulate: 1 });
    this.#places = 1 + Math.max(...weights.map(({ rateIndex }) => rateIndex));
    this.#random = createRandom(seed).fork('dropout');
  }

  /** Mean loss of the batch, from before the move. */
  async step(batch: readonly number[], rate: number, index: number): Promise<number> {
    const { weights } = this.store;
    const rates = { rates: Array.from({ length: this.#places }, () => rate), decay: weightDecay };
    const update = { optimizer: this.#optimizer, rates, random: this.#random.fork(`step ${index}`) };
    const ofExamples = batch.map((place) => weights[place]!);
    const { loss } = await this.#step.train(await this.store.read(batch), ofExamples, update);
    return loss / batch.length;
  }

  dispose(): void {
    this.#step.settle();
    this.#step.dispose();
    this.#optimizer.dispose();
  }
}

const aborted = (steps: number, signal: AbortSignal): TransferKitError =>
  new TransferKitError('aborted', `stopped after ${steps} steps of the learning-rate test; the model is as it was`, {
    cause: signal.reason,
  });
