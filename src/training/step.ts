import * as tf from '@tensorflow/tfjs-core';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { applyHead } from '../inference/head-outputs.js';
import type { LossOptions } from '../heads/head.js';
import type { MixAugmentation } from '../inputs/augment/recipe.js';
import { disposeAfter } from '../inference/run-examples.js';
import { collate } from '../inputs/collate.js';
import { inference, runGraph, type RunOptions } from '../layers/run-graph.js';
import type { Random } from '../common/random.js';
import { bordersOf, type StoredExample } from './feature-store.js';
import type { Optimizer, StepRates } from './optimizer.js';
import { mixBatch } from './mix.js';
import type { AnyModel } from './weight-set.js';

/** The tensors of one batch. */
interface Batch {
  /** Per branch: one tensor per border of the network. */
  readonly branches: readonly (readonly tf.Tensor[])[];
  readonly targets: readonly tf.Tensor[];
  /** float32 [batch] */
  readonly weights: tf.Tensor1D;
}

/** Sums over a batch: of the weighted loss, and of each metric. */
export interface BatchFigures {
  readonly loss: number;
  readonly metrics: readonly number[];
}

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
}

/** What a step function needs to know beside the model. */
export interface StepOptions {
  /** Index of the first group that is computed at every step. */
  readonly firstGroup: number;
  readonly loss: LossOptions;
  readonly mix: MixAugmentation | null;
  /** Whether the model's adapter learns. */
  readonly adapter: boolean;
}

/** Computes the trained part of a model on stored examples: forwards, and backwards. */
export class StepFunction {
  readonly #borders: readonly SymbolicTensor[];
  readonly #wanted: readonly SymbolicTensor[];
  readonly #inTraining: RunOptions['training'];

  constructor(
    private readonly model: AnyModel,
    private readonly options: StepOptions,
  ) {
    const { adapter } = model;
    const baseTrains = model.base.trainingMode();
    this.#borders = bordersOf(model, options.firstGroup);
    this.#wanted = model.head.takes.map((name) => model.base.feature(name));
    this.#inTraining = (layer) => baseTrains(layer) || (options.adapter && adapter !== undefined && adapter.inference.handles(layer));
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

  /** Loss and metrics without learning. */
  async evaluate(examples: readonly StoredExample[], weights: readonly number[]): Promise<BatchFigures> {
    const batch = this.#collate(examples, weights);
    const compute = (): tf.Tensor1D => {
      const outputs = this.#forward(batch, { ...inference, adapter: this.#adapter(false) }, inference);
      return this.#figures(batch, outputs, this.#losses(batch, outputs));
    };
    return readFigures(disposeAfter(tensorsOf(batch), () => tf.tidy(compute)));
  }

  /** One step: forwards, backwards, and the weights moved. Gives the figures from before the move. */
  async train(examples: readonly StoredExample[], weights: readonly number[], update: StepUpdate): Promise<StepFigures> {
    const batch = this.#collate(examples, weights);
    const learnt = disposeAfter(tensorsOf(batch), () => this.#learn(batch, update));
    return { ...(await readFigures(learnt.figures)), moved: learnt.moved };
  }

  #learn(unmixed: Batch, { optimizer, rates, random }: StepUpdate): { figures: tf.Tensor1D; moved: boolean } {
    let figures: tf.Tensor1D | undefined;
    let moved = false;
    const variables = optimizer.weights.map((weight) => weight.variable);
    const drawSeed = (): number => random.integer(2 ** 31 - 1);
    const { mix } = this.options;
    try {
      const { value, grads } = tf.variableGrads(() => {
        const batch = mix === null ? unmixed : mixBatch(unmixed, mix, random);
        const base = { training: this.#inTraining, random: drawSeed, adapter: this.#adapter(this.options.adapter) };
        const outputs = this.#forward(batch, base, { training: () => true, random: drawSeed });
        const losses = this.#losses(batch, outputs);
        figures = tf.keep(this.#figures(batch, outputs, losses));
        return tf.mean<tf.Scalar>(losses);
      }, variables);
      const byVariable = new Map(
        variables.flatMap((variable) => (grads[variable.name] == null ? [] : [[variable, grads[variable.name]!] as const])),
      );
      moved = disposeAfter([value, ...byVariable.values()], () => optimizer.apply(byVariable, rates));
    } catch (error) {
      figures?.dispose(); // kept past the scope that would have freed it
      throw error;
    }
    return { figures: figures!, moved };
  }

  #forward(batch: Batch, base: RunOptions, head: RunOptions): tf.Tensor[] {
    return applyHead(this.model.headModel, this.#features(batch, base), head);
  }

  /** What the adapter of the model does to the base's layers. */
  #adapter(learns: boolean): RunOptions['adapter'] {
    const { adapter } = this.model;
    return learns ? adapter?.training : adapter?.inference;
  }

  #features(batch: Batch, options: RunOptions): tf.Tensor[] {
    return batch.branches.flatMap((tensors) =>
      runGraph(new Map(this.#borders.map((border, index) => [border, tensors[index]!])), this.#wanted, options),
    );
  }

  #losses(batch: Batch, outputs: readonly tf.Tensor[]): tf.Tensor1D {
    return tf.mul(this.model.head.loss(outputs, batch.targets, this.options.loss), batch.weights);
  }

  /** float32 [1 + metrics]: sums over the batch. */
  #figures(batch: Batch, outputs: readonly tf.Tensor[], losses: tf.Tensor1D): tf.Tensor1D {
    const metrics = Object.values(this.model.head.metrics).map((metric) => tf.sum(metric(outputs, batch.targets)));
    return tf.stack([tf.sum(losses), ...metrics]) as tf.Tensor1D;
  }

  #collate(examples: readonly StoredExample[], weights: readonly number[]): Batch {
    const padding = this.#borders.map((border) => this.#paddingOf(border));
    const { head } = this.model;
    return {
      branches: Array.from({ length: head.branches }, (_, branch) =>
        this.#borders.map((_border, index) =>
          collate(
            examples.map((example) => example.branches[branch]![index]!),
            padding[index],
          ),
        ),
      ),
      targets: examples[0]!.target.map((_, index) =>
        collate(
          examples.map((example) => example.target[index]!),
          head.targetPadding[index],
        ),
      ),
      weights: tf.tensor1d([...weights], 'float32'),
    };
  }

  /** Network inputs are padded as the processor says; what is computed from them is masked, and padded with zeros. */
  #paddingOf(border: SymbolicTensor): number {
    const { built, processor } = this.model.base.parts;
    const input = built.model.inputs.indexOf(border);
    return input < 0 ? 0 : processor.padding[input]!;
  }
}

const tensorsOf = (batch: Batch): tf.Tensor[] => [...batch.branches.flat(), ...batch.targets, batch.weights];

async function readFigures(tensor: tf.Tensor1D): Promise<BatchFigures> {
  const [loss = Number.NaN, ...metrics] = await tensor.data();
  tensor.dispose();
  return { loss, metrics };
}
