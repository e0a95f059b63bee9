import * as tf from '@tensorflow/tfjs-core';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { applyHead } from '../inference/head-outputs.js';
import type { LossOptions } from '../heads/head.js';
import { disposeAfter } from '../inference/run-examples.js';
import { collate } from '../inputs/collate.js';
import { inference, runGraph, type RunOptions } from '../layers/run-graph.js';
import type { Random } from '../common/random.js';
import { bordersOf, type StoredExample } from './feature-store.js';
import type { Optimizer, StepRates } from './optimizer.js';
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

/** Computes the trained part of a model on stored examples: forwards, and backwards. */
export class StepFunction {
  readonly #borders: readonly SymbolicTensor[];
  readonly #wanted: readonly SymbolicTensor[];
  readonly #training: RunOptions;
  readonly #headTraining: RunOptions;

  constructor(
    private readonly model: AnyModel,
    firstGroup: number,
    private readonly lossOptions: LossOptions,
    random: Random,
  ) {
    const drawSeed = (): number => random.integer(2 ** 31 - 1);
    this.#borders = bordersOf(model, firstGroup);
    this.#wanted = model.head.takes.map((name) => model.base.feature(name));
    this.#training = { training: model.base.trainingMode(), random: drawSeed };
    this.#headTraining = { training: () => true, random: drawSeed };
  }

  /**
   * Features of the head's inputs, normalised as they will be in training: by the batch where its statistics are used, for those
   * of a network that was never trained say nothing yet. Caller disposes.
   */
  features(examples: readonly StoredExample[]): tf.Tensor[] {
    const batch = this.#collate(examples, []);
    const training: RunOptions['training'] = (layer) => layer.nonTrainableWeights.length > 0 && this.#training.training(layer);
    return disposeAfter(tensorsOf(batch), () => tf.tidy(() => this.#features(batch, { training })));
  }

  /** Loss and metrics without learning. */
  async evaluate(examples: readonly StoredExample[], weights: readonly number[]): Promise<BatchFigures> {
    const batch = this.#collate(examples, weights);
    const compute = (): tf.Tensor1D => {
      const outputs = this.#forward(batch, inference, inference);
      return this.#figures(batch, outputs, this.#losses(batch, outputs));
    };
    return readFigures(disposeAfter(tensorsOf(batch), () => tf.tidy(compute)));
  }

  /** One step: forwards, backwards, and every weight moved. Gives the figures from before the move. */
  async train(
    examples: readonly StoredExample[],
    weights: readonly number[],
    optimizer: Optimizer,
    rates: StepRates,
  ): Promise<BatchFigures> {
    const batch = this.#collate(examples, weights);
    const figures = disposeAfter(tensorsOf(batch), () => this.#learn(batch, optimizer, rates));
    return readFigures(figures);
  }

  #learn(batch: Batch, optimizer: Optimizer, rates: StepRates): tf.Tensor1D {
    let figures: tf.Tensor1D | undefined;
    const variables = optimizer.weights.map((weight) => weight.variable);
    try {
      const { value, grads } = tf.variableGrads(() => {
        const outputs = this.#forward(batch, this.#training, this.#headTraining);
        const losses = this.#losses(batch, outputs);
        figures = tf.keep(this.#figures(batch, outputs, losses));
        return tf.mean<tf.Scalar>(losses);
      }, variables);
      const byVariable = new Map(
        variables.flatMap((variable) => (grads[variable.name] == null ? [] : [[variable, grads[variable.name]!] as const])),
      );
      disposeAfter([value, ...byVariable.values()], () => optimizer.apply(byVariable, rates));
    } catch (error) {
      figures?.dispose(); // kept past the scope that would have freed it
      throw error;
    }
    return figures!;
  }

  #forward(batch: Batch, base: RunOptions, head: RunOptions): tf.Tensor[] {
    return applyHead(this.model.headModel, this.#features(batch, base), head);
  }

  #features(batch: Batch, options: RunOptions): tf.Tensor[] {
    return batch.branches.flatMap((tensors) =>
      runGraph(new Map(this.#borders.map((border, index) => [border, tensors[index]!])), this.#wanted, options),
    );
  }

  #losses(batch: Batch, outputs: readonly tf.Tensor[]): tf.Tensor1D {
    return tf.mul(this.model.head.loss(outputs, batch.targets, this.lossOptions), batch.weights);
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
