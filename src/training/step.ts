import * as tf from '@tensorflow/tfjs-core';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { applyHead } from '../inference/head-outputs.js';
import type { LossOptions } from '../heads/head.js';
import type { MixAugmentation } from '../inputs/augment/recipe.js';
import { disposeAfter } from '../inference/run-examples.js';
import type { Engine } from '../engines/engine.js';
import { collateArrays } from '../inputs/collate.js';
import { inference, runGraph, type RunOptions } from '../layers/run-graph.js';
import type { Random } from '../common/random.js';
import { forgetTape } from '../engines/forget-tape.js';
import type { BackendMemory } from '../runtimes/runtime.js';
import { bordersOf, type StoredExample } from './feature-store.js';
import type { Optimizer, StepRates } from './optimizer.js';
import { mixBatch } from './mix.js';
import { figuresOf, mixHostBatch, tensorBatch, type BatchFigures, type HostBatch } from './host-batch.js';
import { addResults, type PartResult } from './part-result.js';
import { RecordedStep } from './recorded-step.js';
import { partOf, tensorsOf, type Part, type StepBatch } from './step-batch.js';
import { stepPlaceholders } from './step-placeholders.js';
import { fullMemory, StepParts } from './step-parts.js';
import { changingWeights, takeSnapshot, type AnyModel, type NamedVariable } from './weight-set.js';

/** How a step moves the weights. */
export interface StepUpdate {
  readonly optimizer: Optimizer;
  readonly rates: StepRates;
  /** Draws for dropout and mixing of this step alone. */
  readonly random: Random;
}

/** Figures of a training step, and whether the weights moved: not while gradients are still gathered. */
export interface StepFigures extends BatchFigures {
  readonly moved: boolean;
  /** Into how many parts the batch was cut, because it did not fit into the backend's memory as a whole. */
  readonly parts: number;
}

export type { BatchFigures };

/** What a step function needs to know beside the model. */
export interface StepOptions {
  /** Index of the first group that is computed at every step. */
  readonly firstGroup: number;
  readonly loss: LossOptions;
  readonly mix: MixAugmentation | null;
  /** Whether the model's adapter learns. */
  readonly adapter: boolean;
  /** Copies of the weights that learn which are kept beside them: slots, averages, the best so far, a sum of gradients. Default 4. */
  readonly keptCopies?: number;
}

/** What a step gives. */
interface Learnt extends Record<string, tf.TensorContainer> {
  /** float32 [1 + metrics] */
  readonly figures: tf.Tensor1D;
  readonly moved: boolean;
  readonly parts: number;
}

/**
 * Computes the trained part of a model on stored examples: forwards, and backwards. Make it when the freeze state is the one to train
 * with.
 *
 * A batch that does not fit into the backend's memory is computed in parts, one behind the other, and their gradients are summed: the
 * weights move as they would by the whole batch. Two things are those of each part: the statistics of a normalisation that uses the
 * batch, and the draws of dropout, which go on from one part to the next. Mixing is done before, on the whole batch.
 */
export class StepFunction {
  readonly #borders: readonly SymbolicTensor[];
  readonly #wanted: readonly SymbolicTensor[];
  readonly #inTraining: RunOptions['training'];
  readonly #memory: BackendMemory | undefined;
  /** All weights that a step can change. */
  readonly #changing: readonly NamedVariable[];
  readonly #trainingParts: StepParts;
  readonly #evaluationParts: StepParts;
  /** Where an engine compiles the step. */
  readonly #recorded: RecordedStep | undefined;

  constructor(
    private readonly model: AnyModel,
    private readonly options: StepOptions,
  ) {
    this.#inTraining = model.base.trainingMode();
    this.#borders = bordersOf(model, options.firstGroup);
    this.#wanted = model.head.takes.map((name) => model.base.feature(name));
    this.#memory = model.base.parts.runtime.memory?.();
    this.#changing = changingWeights(model, { learns: model.base.freeze.learns, adapter: options.adapter });
    const kept = this.#keptBytes();
    this.#trainingParts = new StepParts(this.#memory, kept);
    this.#evaluationParts = new StepParts(this.#memory, kept);
    const { engine } = model.base;
    this.#recorded = engine.compiles ? this.#record(engine) : undefined;
  }

  /** The step as functions that an engine compiles. */
  #record(engine: Engine): RecordedStep {
    const { base, headModel, adapter } = this.model;
    const changing = new Set<tf.Tensor>(this.#changing.map(({ variable }) => variable));
    const all = (): tf.Tensor[] => [
      ...[...base.parts.built.model.weights, ...headModel.weights].map((weight) => weight.read()),
      ...(adapter?.weights() ?? []).map(({ variable }) => variable),
    ];
    const layout = { borders: this.#borders, freeSize: base.parts.processor.freeSize };
    return new RecordedStep({
      engine,
      mathematics: {
        differentiate: (batch, count, variables, random) => this.#differentiate(batch, count, variables, random),
        judge: (batch) => this.#judge(batch),
      },
      changing: this.#changing,
      constants: () => all().filter((weight) => !changing.has(weight)),
      placeholders: (batch) => stepPlaceholders(batch, layout),
    });
  }

  /**
   * Features of the head's inputs, normalised as they will be in training: by the batch where its statistics are used, for those
   * of a network that was never trained say nothing yet. Caller disposes.
   */
  features(examples: readonly StoredExample[]): tf.Tensor[] {
    const batch = this.#collate(examples, []);
    const training: RunOptions['training'] = (layer) => layer.nonTrainableWeights.length > 0 && this.#inTraining(layer);
    return disposeAfter(tensorsOf(batch), () => tf.tidy(() => this.#features(batch, { training, adapter: this.#adapter(false) })));
  }

  /**
   * Loss and metrics without learning.
   * @throws TransferKitError `out-of-memory` where a single example does not fit into the backend's memory
   */
  async evaluate(examples: readonly StoredExample[], weights: readonly number[]): Promise<BatchFigures> {
    if (this.#recorded !== undefined) return figuresOf(await this.#recorded.evaluate(this.#hostBatch(examples, weights)));
    const figures = this.#onBatch(examples, weights, (batch) => {
      const ofPart = (part: Part): tf.Tensor1D => tf.tidy(() => this.#judge(partOf(batch, part)));
      const parts = this.#evaluationParts.cut(tensorsOf(batch), (end) => tf.dispose(ofPart({ start: 0, end })));
      return parts.map(ofPart).reduce((sum, part) => tf.add(sum, part));
    });
    return readFigures(figures);
  }

  /**
   * One step: forwards, backwards, and the weights moved. Gives the figures from before the move.
   * @throws TransferKitError `out-of-memory` where a single example does not fit into the backend's memory, or other things fill it;
   *   the weights are as before
   */
  async train(examples: readonly StoredExample[], weights: readonly number[], update: StepUpdate): Promise<StepFigures> {
    if (this.#recorded !== undefined) return this.#trainRecorded(this.#recorded, this.#hostBatch(examples, weights), update);
    const learn = (batch: StepBatch): Learnt => this.#undoable(() => this.#learn(batch, update));
    const { figures, moved, parts } = this.#onBatch(examples, weights, learn);
    return { ...(await readFigures(figures)), moved, parts };
  }

  async #trainRecorded(step: RecordedStep, batch: HostBatch, { optimizer, rates, random }: StepUpdate): Promise<StepFigures> {
    const { mix } = this.options;
    const mixed = mix === null ? batch : await mixHostBatch(batch, mix, random);
    const { values, moved } = await step.train(mixed, optimizer, rates, () => random.integer(2 ** 31 - 1));
    return { ...figuresOf(values), moved, parts: 1 };
  }

  /** Moves the weights by gradients that are gathered, at the end of an epoch. @returns whether there was anything */
  async flush(optimizer: Optimizer, rates: StepRates): Promise<boolean> {
    return this.#recorded === undefined ? optimizer.flush(rates) : this.#recorded.flush(optimizer, rates);
  }

  /** Puts what the engine keeps elsewhere into the variables: to be called before they are read or assigned to. */
  settle(optimizer?: Optimizer): void {
    const kept = [...this.#changing, ...(optimizer?.stateVariables() ?? [])];
    this.model.base.engine.settle(kept.map(({ variable }) => variable));
  }

  /** Lets go of what is compiled, and of what the engine keeps of weights that were settled. Not while a step runs. Idempotent. */
  dispose(): void {
    this.#recorded?.dispose();
    this.model.base.engine.forget(this.#changing.map(({ variable }) => variable));
  }

  /** Computes something from a batch; where the memory gets full, the error says of what. */
  #onBatch<Result extends tf.TensorContainer>(
    examples: readonly StoredExample[],
    weights: readonly number[],
    compute: (batch: StepBatch) => Result,
  ): Result {
    let batch: StepBatch | undefined;
    try {
      return tf.tidy(() => compute((batch = this.#collate(examples, weights))));
    } catch (error) {
      forgetTape();
      const explained = this.#memory === undefined ? error : this.#memory.explain(error);
      throw batch === undefined ? explained : fullMemory(explained, tensorsOf(batch));
    }
  }

  /** Call inside `tf.tidy`. */
  #learn(batch: StepBatch, { optimizer, rates, random }: StepUpdate): Learnt {
    const variables = optimizer.weights.map((weight) => weight.variable);
    const count = tf.scalar(batch.weights.size);
    const parts = this.#trainingParts.cut(tensorsOf(batch), (end) => this.#tryOut(batch, end, variables));
    const { mix } = this.options;
    const mixed = mix === null ? batch : mixBatch(batch, mix, random);
    const drawSeed = (): number => random.integer(2 ** 31 - 1);
    let sum: PartResult | undefined;
    for (const part of parts) {
      const result = tf.tidy(() => this.#differentiate(partOf(mixed, part), count, variables, drawSeed));
      sum = addResults(sum, result);
    }
    const { gradients, figures } = sum!;
    const found = variables.flatMap((variable, index) => (gradients[index] === undefined ? [] : [[variable, gradients[index]] as const]));
    return { figures, moved: optimizer.apply(new Map(found), rates), parts: parts.length };
  }

  /**
   * Sums of a part, and its share in the gradient of the mean loss over the whole batch. Call inside `tf.tidy`.
   * @param count examples of the whole batch
   */
  #differentiate(part: StepBatch, count: tf.Tensor, variables: tf.Variable[], drawSeed: () => number): PartResult {
    let figures: tf.Tensor1D | undefined;
    try {
      const { grads } = tf.variableGrads(() => {
        const base = { training: this.#inTraining, random: drawSeed, adapter: this.#adapter(this.options.adapter) };
        const outputs = this.#forward(part, base, { training: () => true, random: drawSeed });
        const losses = this.#losses(part, outputs);
        figures = tf.keep(this.#figures(part, outputs, losses)); // past the scope of the differentiation
        return tf.div<tf.Scalar>(tf.sum(losses), count);
      }, variables);
      return { figures: tf.clone(figures!), gradients: variables.map(({ name }) => grads[name] ?? undefined) };
    } finally {
      figures?.dispose();
    }
  }

  /** Computes what a step computes for the first examples, and leaves no trace: normalisation by the batch moves its statistics on the way. */
  #tryOut(batch: StepBatch, end: number, variables: tf.Variable[]): void {
    const before = takeSnapshot(this.#changing);
    try {
      tf.tidy(() => void this.#differentiate(partOf(batch, { start: 0, end }), tf.scalar(end), variables, () => 0));
    } finally {
      before.restore();
      before.dispose();
    }
  }

  /** Puts every weight back where a step ends with an error. Where memory has no limit of its own no such error is looked for. */
  #undoable<Result>(step: () => Result): Result {
    if (this.#memory === undefined) return step();
    const before = takeSnapshot(this.#changing);
    try {
      return step();
    } catch (error) {
      before.restore();
      throw error;
    } finally {
      before.dispose();
    }
  }

  /** Bytes of all weights, and of the copies of those that change. */
  #keptBytes(): number {
    const { base, headModel, adapter } = this.model;
    const { keptCopies = 4 } = this.options;
    const numbers = base.parameters + headModel.countParams() + (adapter?.parameters ?? 0);
    return 4 * (numbers + keptCopies * this.#changing.reduce((sum, { variable }) => sum + variable.size, 0));
  }

  /** Sums over a part in inference mode. */
  #judge(part: StepBatch): tf.Tensor1D {
    const outputs = this.#forward(part, { ...inference, adapter: this.#adapter(false) }, inference);
    return this.#figures(part, outputs, this.#losses(part, outputs));
  }

  #forward(batch: StepBatch, base: RunOptions, head: RunOptions): tf.Tensor[] {
    return applyHead(this.model.headModel, this.#features(batch, base), head);
  }

  /** What the adapter of the model does to the base's layers. */
  #adapter(learns: boolean): RunOptions['adapter'] {
    const { adapter } = this.model;
    return learns ? adapter?.training : adapter?.inference;
  }

  #features(batch: StepBatch, options: RunOptions): tf.Tensor[] {
    return batch.branches.flatMap((tensors) =>
      runGraph(new Map(this.#borders.map((border, index) => [border, tensors[index]!])), this.#wanted, options),
    );
  }

  #losses(batch: StepBatch, outputs: readonly tf.Tensor[]): tf.Tensor1D {
    return tf.mul(this.model.head.loss(outputs, batch.targets, this.options.loss), batch.weights);
  }

  /** float32 [1 + metrics]: sums over the batch. */
  #figures(batch: StepBatch, outputs: readonly tf.Tensor[], losses: tf.Tensor1D): tf.Tensor1D {
    const metrics = Object.values(this.model.head.metrics).map((metric) => tf.sum(metric(outputs, batch.targets)));
    return tf.stack([tf.sum(losses), ...metrics]) as tf.Tensor1D;
  }

  /** A batch as tensors. */
  #collate(examples: readonly StoredExample[], weights: readonly number[]): StepBatch {
    return tensorBatch(this.#hostBatch(examples, weights));
  }

  #hostBatch(examples: readonly StoredExample[], weights: readonly number[]): HostBatch {
    const padding = this.#borders.map((border) => this.#paddingOf(border));
    const { head } = this.model;
    return {
      branches: Array.from({ length: head.branches }, (_, branch) =>
        this.#borders.map((_border, index) =>
          collateArrays(
            examples.map((example) => example.branches[branch]![index]!),
            padding[index],
          ),
        ),
      ),
      targets: examples[0]!.target.map((_, index) =>
        collateArrays(
          examples.map((example) => example.target[index]!),
          head.targetPadding[index],
        ),
      ),
      weights: { type: 'float32', shape: [weights.length], values: Float32Array.from(weights) },
    };
  }

  /** Network inputs are padded as the processor says; what is computed from them is masked, and padded with zeros. */
  #paddingOf(border: SymbolicTensor): number {
    const { built, processor } = this.model.base.parts;
    const input = built.model.inputs.indexOf(border);
    return input < 0 ? 0 : processor.padding[input]!;
  }
}

async function readFigures(tensor: tf.Tensor1D): Promise<BatchFigures> {
  const figures = figuresOf(await tensor.data());
  tensor.dispose();
  return figures;
}
