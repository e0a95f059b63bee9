import { breathe } from '../engines/breathe.js';
import { TransferKitError } from '../errors.js';
import { unknownName } from '../common/nearest-name.js';
import { createRandom, type Random } from '../common/random.js';
import { orderedBatches, shuffledBatches } from './batches.js';
import type { FeatureStore } from './feature-store.js';
import type { EpochRecord } from './history.js';
import { Optimizer, type StepRates } from './optimizer.js';
import type { PhasePlan, TrainingPlan } from './plan.js';
import type { ProgressEvent } from './progress.js';
import { cosineWithWarmup } from './schedule.js';
import { StepFunction, type BatchFigures } from './step.js';
import { learningWeights, takeSnapshot, type AnyModel, type Snapshot } from './weight-set.js';

/** What a phase works with. */
export interface PhaseContext {
  readonly model: AnyModel;
  readonly plan: TrainingPlan;
  readonly phase: PhasePlan;
  readonly train: FeatureStore;
  readonly validation: FeatureStore | undefined;
  /** Weight of each training example in the loss. */
  readonly exampleWeights: Float32Array;
  readonly signal: AbortSignal | undefined;
  readonly report: (event: ProgressEvent) => void;
}

/** How a phase ended. */
export interface PhaseResult {
  readonly epochs: readonly EpochRecord[];
  /** Epoch whose weights the model has now, from 1; 0 when none was finished. */
  readonly bestEpoch: number;
  readonly ended: 'completed' | 'early-stopping' | 'aborted';
}

/** Sums of figures over batches, as averages. */
class Averages {
  #examples = 0;
  #sums: number[] = [];

  constructor(readonly names: readonly string[]) {}

  add(figures: BatchFigures, examples: number): void {
    this.#examples += examples;
    [figures.loss, ...figures.metrics].forEach((value, index) => (this.#sums[index] = (this.#sums[index] ?? 0) + value));
  }

  read(): Record<string, number> {
    return Object.fromEntries(this.names.map((name, index) => [name, (this.#sums[index] ?? Number.NaN) / this.#examples]));
  }
}

function diverged(phase: PhasePlan, epoch: number, step: number, rates: StepRates, loss: number): TransferKitError {
  const message =
    `the loss became ${loss} in phase "${phase.name}", epoch ${epoch}, step ${step}.\n` +
    `  Likely cause: a learning rate too high (head ${rates.head.toExponential(1)}, base ${rates.base.toExponential(1)} at this step), or inputs that are not finite.\n` +
    '  Fix: divide learningRate by 10, or keep gradientClip at 1; the best weights so far were restored.';
  return new TransferKitError('diverged', message, { details: { phase: phase.name, epoch, step, rates, loss } });
}

/** Trains one phase and leaves the best weights in the model. It owns the optimiser and the snapshots of its run. */
export class PhaseRun {
  readonly #step: StepFunction;
  readonly #optimizer: Optimizer;
  readonly #shuffle: Random;
  readonly #names: readonly string[];
  readonly #totalSteps: number;
  #stepsDone = 0;
  #best: { snapshot: Snapshot; epoch: number; value: number };

  constructor(private readonly context: PhaseContext) {
    const { model, plan, phase, train } = context;
    const random = createRandom(plan.seed).fork(phase.name);
    this.#step = new StepFunction(model, train.firstGroup, { labelSmoothing: plan.labelSmoothing }, random.fork('dropout'));
    this.#optimizer = new Optimizer(learningWeights(model), { weightDecay: phase.weightDecay, gradientClip: plan.gradientClip });
    this.#shuffle = random.fork('shuffle');
    this.#names = ['loss', ...Object.keys(model.head.metrics)];
    const monitor = plan.earlyStopping?.monitor ?? 'loss';
    if (!this.#names.includes(monitor)) throw unknownName('figure to monitor', monitor, this.#names);
    this.#totalSteps = phase.epochs * Math.ceil(train.count / phase.batchSize);
    this.#best = { snapshot: takeSnapshot(model), epoch: 0, value: Number.POSITIVE_INFINITY };
  }

  async run(): Promise<PhaseResult> {
    const { phase, plan, signal } = this.context;
    const epochs: EpochRecord[] = [];
    let ended: PhaseResult['ended'] = 'completed';
    try {
      for (let epoch = 1; epoch <= phase.epochs && ended === 'completed'; epoch++) {
        const record = await this.#epoch(epoch);
        if (record !== undefined) epochs.push(record);
        if (signal?.aborted) ended = 'aborted';
        else if (plan.earlyStopping !== null && epoch - this.#best.epoch >= plan.earlyStopping.patience && epoch < phase.epochs)
          ended = 'early-stopping';
      }
    } catch (error) {
      this.#best.snapshot.restore();
      throw error;
    }
    if (ended === 'aborted' || plan.earlyStopping !== null) this.#best.snapshot.restore();
    return { epochs, bestEpoch: this.#best.epoch, ended };
  }

  /** One pass over the data, then validation; undefined when aborted within. */
  async #epoch(epoch: number): Promise<EpochRecord | undefined> {
    const { phase, train, signal, plan } = this.context;
    const started = performance.now();
    const averages = new Averages(this.#names);
    for (const [index, batch] of shuffledBatches(train.lengths, phase.batchSize, this.#shuffle).entries()) {
      await breathe();
      if (signal?.aborted) return undefined;
      averages.add(await this.#trainBatch(batch, epoch, index + 1), batch.length);
      this.#report(epoch, averages);
    }
    const validation = await this.#validate();
    const watched = plan.earlyStopping?.monitor ?? 'loss';
    this.#remember(epoch, (validation ?? averages.read())[watched]!, watched);
    const rate = phase.rates.head * this.#rateFactor(this.#stepsDone - 1);
    return {
      phase: phase.name,
      epoch,
      ...averages.read(),
      ...(validation === undefined ? {} : { validation }),
      learningRate: rate,
      seconds: (performance.now() - started) / 1000,
    } as EpochRecord;
  }

  async #trainBatch(batch: readonly number[], epoch: number, step: number): Promise<BatchFigures> {
    const { phase, train, exampleWeights } = this.context;
    const factor = this.#rateFactor(this.#stepsDone++);
    const rates = { head: phase.rates.head * factor, base: phase.rates.base * factor };
    const weights = batch.map((index) => exampleWeights[index]!);
    const figures = await this.#step.train(await train.read(batch), weights, this.#optimizer, rates);
    if (!Number.isFinite(figures.loss)) throw diverged(phase, epoch, step, rates, figures.loss);
    return figures;
  }

  #rateFactor(step: number): number {
    return cosineWithWarmup(step, this.#totalSteps, { warmup: this.context.plan.warmup, floor: 0 });
  }

  async #validate(): Promise<Record<string, number> | undefined> {
    const { validation } = this.context;
    if (validation === undefined) return undefined;
    const averages = new Averages(this.#names);
    for (const batch of orderedBatches(validation.count, 32)) {
      const examples = await validation.read(batch);
      averages.add(
        await this.#step.evaluate(
          examples,
          batch.map(() => 1),
        ),
        batch.length,
      );
    }
    return averages.read();
  }

  /** Keeps the weights when they are the best so far. A loss is better when lower, any other figure when higher. */
  #remember(epoch: number, value: number, watched: string): void {
    const cost = watched === 'loss' ? value : -value;
    if (!(cost < this.#best.value)) return;
    this.#best.snapshot.dispose();
    this.#best = { snapshot: takeSnapshot(this.context.model), epoch, value: cost };
  }

  #report(epoch: number, averages: Averages): void {
    const { phase, report } = this.context;
    report({ stage: 'training', phase: phase.name, done: this.#stepsDone, total: this.#totalSteps, epoch, figures: averages.read() });
  }

  dispose(): void {
    this.#optimizer.dispose();
    this.#best.snapshot.dispose();
  }
}
