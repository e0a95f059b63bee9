import * as tf from '@tensorflow/tfjs-core';
import { breathe } from '../engines/breathe.js';
import { TransferKitError } from '../errors.js';
import { unknownName } from '../common/nearest-name.js';
import { createRandom, type Random } from '../common/random.js';
import { Averages } from './averages.js';
import { balancedBatches, shuffledBatches } from './batches.js';
import { BestEpochs } from './best-epochs.js';
import { waitWhilePaused, type TrainingControl } from './control.js';
import type { FeatureStore } from './feature-store.js';
import type { UntimedEvent } from './events.js';
import type { EpochRecord } from './history.js';
import { judge } from './judge.js';
import { Optimizer, type StepRates } from './optimizer.js';
import type { CheckpointMoment } from './run-checkpoints.js';
import type { PhaseState } from './phase-state.js';
import type { PhasePlan, TrainingPlan } from './plan.js';
import { scheduledStep } from './schedule.js';
import { StepFunction, type StepFigures } from './step.js';
import { MovingAverage } from './weight-average.js';
import { changingWeights, learningWeights, rateList, type AnyModel, type NamedVariable } from './weight-set.js';

/** What a phase works with. */
export interface PhaseContext {
  readonly model: AnyModel;
  readonly plan: TrainingPlan;
  readonly phase: PhasePlan;
  readonly train: FeatureStore;
  readonly validation: FeatureStore | undefined;
  /** Weight of each training example in the loss. */
  readonly exampleWeights: Float32Array;
  /** Epochs of the phases before. */
  readonly epochsBefore: number;
  readonly control: TrainingControl;
  readonly emit: (event: UntimedEvent) => void;
  /** Called where the run could be cut off and taken up again. */
  readonly checkpoint: (state: () => PhaseState, moment: CheckpointMoment) => Promise<void>;
}

/** How a phase ended. */
export interface PhaseResult {
  readonly epochs: readonly EpochRecord[];
  /** Epoch whose weights the model has now, from 1; 0 when none was finished. */
  readonly bestEpoch: number;
  readonly ended: 'completed' | 'early-stopping' | 'aborted';
}

function diverged(phase: PhasePlan, epoch: number, step: number, factor: number, loss: number): TransferKitError {
  const rate = (peak: number): string => (peak * factor).toExponential(1);
  const message =
    `the loss became ${loss} in phase "${phase.name}", epoch ${epoch}, step ${step}.\n` +
    `  Likely cause: a learning rate too high (head ${rate(phase.rates.head)}, base ${rate(phase.rates.base)} at this step), or inputs that are not finite.\n` +
    '  Fix: divide learningRate by 10, or keep gradientClip at 1; the best weights so far were restored.';
  return new TransferKitError('diverged', message, { details: { phase: phase.name, epoch, step, rates: phase.rates, loss } });
}

/** Copies of the learning weights that a phase keeps at most: two slots, sums of gradients, weights before the step, averages, the best. */
const keptCopies = ({ accumulate, ema, averageBest }: TrainingPlan): number =>
  4 + (accumulate > 1 ? 1 : 0) + (ema === null ? 0 : 2) + averageBest;

function inPartsWarning({ phase, plan }: PhaseContext, examples: number, parts: number): string {
  const normalization = plan.normalization === 'batch' && phase.learns.includes(true);
  return (
    `phase "${phase.name}": a batch of ${examples} examples does not fit into the memory of the backend and is computed in ${parts} parts; ` +
    'the weights move as by the whole batch' +
    (normalization ? ', but normalisation uses the statistics of each part.' : '.')
  );
}

/**
 * Trains one phase and leaves the best weights in the model. It owns the optimiser and the snapshots of its run.
 *
 * Everything random is drawn from the seed, the phase and the position in it, so that a run is told by its position alone.
 */
export class PhaseRun {
  readonly #step: StepFunction;
  readonly #optimizer: Optimizer;
  readonly #average: MovingAverage | undefined;
  readonly #random: Random;
  readonly #names: readonly string[];
  readonly #weights: readonly NamedVariable[];
  readonly #best: BestEpochs;
  readonly #records: EpochRecord[] = [];
  #averages: Averages;
  /** From 1; the epoch that is under way or comes next. */
  #epoch = 1;
  /** Batches of this epoch that are done. */
  #batch = 0;
  /** Times the weights moved. */
  #updates = 0;
  #toldOfParts = false;

  constructor(private readonly context: PhaseContext) {
    const { model, plan, phase, train } = context;
    this.#random = createRandom(plan.seed).fork(phase.name);
    const loss = { labelSmoothing: plan.labelSmoothing, focalGamma: plan.focalGamma };
    const { firstGroup } = train;
    this.#step = new StepFunction(model, { firstGroup, loss, mix: plan.mix, adapter: phase.adapter, keptCopies: keptCopies(plan) });
    this.#optimizer = new Optimizer(learningWeights(model, phase), {
      recipe: plan.optimizer,
      gradientClip: plan.gradientClip,
      accumulate: plan.accumulate,
    });
    this.#names = ['loss', ...Object.keys(model.head.metrics)];
    if (!this.#names.includes(this.#watched)) throw unknownName('figure to monitor', this.#watched, this.#names);
    this.#weights = changingWeights(model, phase);
    this.#average = plan.ema === null ? undefined : new MovingAverage(this.#weights, plan.ema, model.base.engine);
    this.#best = new BestEpochs(this.#weights, plan.averageBest, this.#watched === 'loss');
    this.#averages = new Averages(this.#names);
  }

  get #watched(): string {
    return this.context.plan.earlyStopping?.monitor ?? 'loss';
  }

  /** What is needed to go on from here in another process. Tensors are those in use: they must be read at once. */
  state(): PhaseState {
    this.#step.settle(this.#optimizer);
    const optimizer = this.#optimizer.state();
    const average = this.#average?.state();
    return {
      epoch: this.#epoch,
      batch: this.#batch,
      updates: this.#updates,
      sums: this.#averages.state(),
      records: this.#records,
      best: this.#best.ranks(),
      optimizer,
      ...(average === undefined ? {} : { average }),
      kept: this.#best.tensors(),
    };
  }

  /** Goes on where a run was cut off, and takes over the state's tensors. The weights of the model must be those of that moment already. */
  restore(state: PhaseState): void {
    this.#epoch = state.epoch;
    this.#batch = state.batch;
    this.#updates = state.updates;
    this.#averages = new Averages(this.#names, state.sums);
    this.#records.push(...state.records);
    this.#optimizer.restore(state.optimizer);
    if (state.average !== undefined) this.#average?.restore(state.average);
    tf.dispose([...state.optimizer.tensors.values(), ...(state.average?.tensors.values() ?? [])]); // both were copied
    this.#best.restore(state.best, state.kept);
  }

  async run(): Promise<PhaseResult> {
    let aborted = false;
    try {
      while (!aborted && !this.#finished()) {
        await this.#runEpoch();
        aborted = this.context.control.signal.aborted;
      }
      if (aborted) await this.context.checkpoint(() => this.state(), { now: true });
    } catch (error) {
      this.#step.settle();
      this.#best.restoreBest();
      throw error;
    }
    this.#settle(aborted);
    const ended = aborted ? 'aborted' : this.#records.length < this.context.phase.epochs ? 'early-stopping' : 'completed';
    return { epochs: this.#records, bestEpoch: this.#best.epoch, ended };
  }

  /** All epochs done, or no better one for too long. */
  #finished(): boolean {
    const { plan, phase } = this.context;
    const done = this.#epoch - 1;
    return done >= phase.epochs || (plan.earlyStopping !== null && done - this.#best.epoch >= plan.earlyStopping.patience);
  }

  /** Which weights the model has at the end. */
  #settle(aborted: boolean): void {
    const { plan } = this.context;
    this.#step.settle();
    if (aborted || plan.earlyStopping !== null || plan.averageBest > 1) this.#best.restoreBest();
    else this.#average?.swapIn();
  }

  /** One pass over the data, then validation; or as far as it comes before it is aborted. */
  async #runEpoch(): Promise<void> {
    const { phase, control, emit } = this.context;
    const started = performance.now();
    const epoch = this.#epoch;
    const batches = this.#batches(epoch);
    while (this.#batch < batches.length) {
      await breathe();
      await waitWhilePaused(control, emit);
      if (control.signal.aborted) return;
      const batch = batches[this.#batch]!;
      this.#averages.add(await this.#trainBatch(batch, batches.length), batch.length);
      this.#batch++;
      this.#report(batches.length);
      await this.context.checkpoint(() => this.state(), {});
    }
    if (await this.#step.flush(this.#optimizer, this.#rates(batches.length).rates)) await this.#moved();
    const isBest = await this.#judge(started, batches.length);
    this.#epoch++;
    this.#batch = 0;
    this.#averages = new Averages(this.#names);
    if (epoch < phase.epochs) await this.context.checkpoint(() => this.state(), { best: isBest });
  }

  #batches(epoch: number): number[][] {
    const { phase, train, plan } = this.context;
    const random = this.#random.fork(`shuffle ${epoch}`);
    return plan.sampling === 'balanced'
      ? balancedBatches(train.targets as readonly string[], train.lengths, phase.batchSize, random)
      : shuffledBatches(train.lengths, phase.batchSize, random);
  }

  /** Views are numbered through all phases; where they are cached they come round again. */
  #view(): number {
    const { plan, train, epochsBefore } = this.context;
    if (plan.augment === null) return 0;
    const pass = epochsBefore + this.#epoch - 1;
    return 1 + (train.firstGroup > 0 && plan.views > 0 ? pass % plan.views : pass);
  }

  async #trainBatch(batch: readonly number[], batches: number): Promise<StepFigures> {
    const { phase, train, exampleWeights, emit } = this.context;
    const { rates, factor } = this.#rates(batches);
    const weights = batch.map((index) => exampleWeights[index]!);
    const examples = await train.read(batch, this.#view());
    const random = this.#random.fork(`step ${this.#epoch} ${this.#batch}`);
    const figures = await this.#step.train(examples, weights, { optimizer: this.#optimizer, rates, random });
    if (!Number.isFinite(figures.loss)) throw diverged(phase, this.#epoch, this.#batch + 1, factor, figures.loss);
    if (figures.moved) await this.#moved();
    if (figures.parts > 1 && !this.#toldOfParts)
      emit({ type: 'warning', message: inPartsWarning(this.context, batch.length, figures.parts) });
    this.#toldOfParts ||= figures.parts > 1;
    return figures;
  }

  async #moved(): Promise<void> {
    this.#updates++;
    await this.#average?.update();
  }

  /** Settings of the next update. */
  #rates(batches: number): { rates: StepRates; factor: number } {
    const { phase, plan } = this.context;
    const updates = phase.epochs * Math.ceil(batches / plan.accumulate);
    const { rate: factor, momentum } = scheduledStep(phase.schedule, Math.min(this.#updates, updates - 1), updates);
    const rates = rateList(phase.rates).map((peak) => peak * factor);
    return { rates: { rates, decay: phase.weightDecay, ...(momentum === undefined ? {} : { momentum }) }, factor };
  }

  /** Validates, remembers weights that are among the best so far, and writes the epoch down. True when it is the best. */
  async #judge(started: number, batches: number): Promise<boolean> {
    const { phase, emit } = this.context;
    this.#average?.swapIn();
    let isBest: boolean;
    let validation: Record<string, number> | undefined;
    try {
      validation = await this.#validate();
      this.#step.settle();
      isBest = this.#best.add(this.#epoch, (validation ?? this.#averages.read())[this.#watched]!);
    } finally {
      this.#average?.swapOut();
    }
    const record = {
      phase: phase.name,
      epoch: this.#epoch,
      ...this.#averages.read(),
      ...(validation === undefined ? {} : { validation }),
      learningRate: phase.rates.head * this.#lastFactor(batches),
      seconds: (performance.now() - started) / 1000,
    } as EpochRecord;
    this.#records.push(record);
    emit({ type: 'epoch', record });
    return isBest;
  }

  /** Where the rate stood at the last update, as a share of its peak. */
  #lastFactor(batches: number): number {
    const { phase, plan } = this.context;
    const updates = phase.epochs * Math.ceil(batches / plan.accumulate);
    return scheduledStep(phase.schedule, Math.max(0, this.#updates - 1), updates).rate;
  }

  async #validate(): Promise<Record<string, number> | undefined> {
    const { model, validation } = this.context;
    return validation && (await judge(model, this.#step, validation));
  }

  #report(batches: number): void {
    const { phase, emit } = this.context;
    emit({
      type: 'step',
      phase: phase.name,
      epoch: this.#epoch,
      step: (this.#epoch - 1) * batches + this.#batch,
      steps: phase.epochs * batches,
      figures: this.#averages.read(),
      learningRate: phase.rates.head * this.#lastFactor(batches),
    });
  }

  dispose(): void {
    this.#step.dispose();
    this.#optimizer.dispose();
    this.#average?.dispose();
    this.#best.dispose();
  }
}
