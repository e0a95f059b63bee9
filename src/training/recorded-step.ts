import * as tf from '@tensorflow/tfjs-core';
import type { CompiledFunction, Engine, HostTensor, StateVariable, TensorFunction, TensorPlaceholder } from '../engines/engine.js';
import type { HostBatch } from './host-batch.js';
import type { Optimizer, StepRates } from './optimizer.js';
import type { StepBatch } from './step-batch.js';

/** The mathematics of a step, on tensors. Called inside `tf.tidy`. */
export interface StepMathematics {
  /**
   * Figures of a batch, float32 [1 + metrics], and the gradient of each variable; undefined for one that has no part in the loss.
   * @param count examples that the loss is the mean of, as a scalar
   */
  differentiate(
    batch: StepBatch,
    count: tf.Tensor,
    variables: tf.Variable[],
    random: () => number,
  ): { readonly figures: tf.Tensor1D; readonly gradients: readonly (tf.Tensor | undefined)[] };
  /** Figures without learning. */
  judge(batch: StepBatch): tf.Tensor1D;
}

/** What a recorded step is made of. */
export interface RecordedStepOptions {
  readonly engine: Engine;
  readonly mathematics: StepMathematics;
  /** Weights that a step can change, and statistics of normalisation. */
  readonly changing: readonly StateVariable[];
  /** All other weights that the step reads. */
  readonly constants: () => readonly tf.Tensor[];
  /** Sizes of an input that change from batch to batch, by name; see `TensorPlaceholder`. */
  readonly placeholders: (batch: HostBatch) => readonly TensorPlaceholder[];
}

const vector = (numbers: readonly number[]): HostTensor => ({
  type: 'float32',
  shape: [numbers.length],
  values: Float32Array.from(numbers),
});

const single = (number: number): HostTensor => ({ type: 'float32', shape: [], values: Float32Array.of(number) });

const arraysOf = ({ branches, targets, weights }: HostBatch): HostTensor[] => [...branches.flat(), ...targets, weights];

/** The tensors of a batch, in the order of `arraysOf`. */
function batchOf({ branches, targets }: HostBatch, tensors: readonly tf.Tensor[]): StepBatch {
  let next = 0;
  const take = (): tf.Tensor => tensors[next++]!;
  return { branches: branches.map((arrays) => arrays.map(take)), targets: targets.map(take), weights: take() as tf.Tensor1D };
}

/**
 * A training step as functions that an engine compiles: forwards, backwards, clipping and the move in one. Rates and other numbers of a
 * step go in as a vector, weights and slots stay with the engine from step to step.
 */
export class RecordedStep {
  readonly #compiled = new Map<string, CompiledFunction>();

  constructor(private readonly options: RecordedStepOptions) {}

  /** Sums over a batch, without learning. @returns float32 [1 + metrics] */
  async evaluate(batch: HostBatch): Promise<Iterable<number>> {
    const { mathematics, changing } = this.options;
    const compute: TensorFunction['compute'] = (tensors) => [mathematics.judge(batchOf(batch, tensors))];
    const judged = this.#function('validation', batch, { compute, state: changing });
    return (await judged.run(arraysOf(batch)))[0]!.values;
  }

  /**
   * One step; see `Optimizer.apply`.
   * @param random seeds of dropout
   * @returns sums from before the move, float32 [1 + metrics], and whether the weights moved
   */
  async train(
    batch: HostBatch,
    optimizer: Optimizer,
    rates: StepRates,
    random: () => number,
  ): Promise<{ values: Iterable<number>; moved: boolean }> {
    const arrays = [...arraysOf(batch), single(batch.weights.shape[0]!)];
    if (optimizer.options.accumulate === 1) {
      const step = this.#step('training step', batch, optimizer, (gradients, numbers) => optimizer.move(gradients, numbers!), true);
      const [figures] = await step.run([...arrays, vector(optimizer.nextNumbers(rates))], random);
      return { values: figures!.values, moved: true };
    }
    const gather = this.#step('gathering step', batch, optimizer, (gradients) => optimizer.gather(gradients), false);
    const [figures] = await gather.run(arrays, random);
    optimizer.countGathered();
    const moved = optimizer.pending === optimizer.options.accumulate && (await this.flush(optimizer, rates));
    return { values: figures!.values, moved };
  }

  /** Moves the weights by what is gathered. @returns whether there was anything */
  async flush(optimizer: Optimizer, rates: StepRates): Promise<boolean> {
    if (optimizer.pending === 0) return false;
    const numbers = vector(optimizer.nextNumbers(rates));
    const move = this.#keep('move', () => ({
      name: 'move',
      inputs: [{ name: 'numbers', type: 'float32', shape: numbers.shape }],
      outputs: [],
      compute: ([given]) => {
        optimizer.flushGathered(given!);
        return [];
      },
      constants: () => [],
      state: [...this.options.changing, ...optimizer.stateVariables()],
    }));
    await move.run([numbers]);
    optimizer.forgetGathered();
    return true;
  }

  #step(
    name: string,
    batch: HostBatch,
    optimizer: Optimizer,
    use: (gradients: ReadonlyMap<tf.Variable, tf.Tensor>, numbers: tf.Tensor | undefined) => void,
    moves: boolean,
  ): CompiledFunction {
    const { mathematics, changing } = this.options;
    const variables = optimizer.weights.map(({ variable }) => variable);
    const compute: TensorFunction['compute'] = (tensors, random) => {
      const [count, numbers] = tensors.slice(arraysOf(batch).length);
      const { figures, gradients } = mathematics.differentiate(batchOf(batch, tensors), count!, variables, random);
      const found = variables.flatMap((variable, index) => (gradients[index] === undefined ? [] : [[variable, gradients[index]] as const]));
      use(new Map(found), numbers);
      return [figures];
    };
    const count: TensorPlaceholder = { name: 'count', type: 'float32', shape: [] };
    const extra = moves ? [count, { name: 'numbers', type: 'float32', shape: [optimizer.numbersPerUpdate] } as const] : [count];
    return this.#function(name, batch, { compute, state: [...changing, ...optimizer.stateVariables()] }, extra);
  }

  /** The compiled function of batches of this kind. */
  #function(
    name: string,
    batch: HostBatch,
    { compute, state }: Pick<TensorFunction, 'compute' | 'state'>,
    extra: readonly TensorPlaceholder[] = [],
  ): CompiledFunction {
    const inputs = [...this.options.placeholders(batch), ...extra];
    const { constants } = this.options;
    return this.#keep(JSON.stringify([name, inputs]), () => ({
      name,
      inputs,
      outputs: ['figures'],
      compute,
      constants,
      ...(state === undefined ? {} : { state }),
    }));
  }

  #keep(key: string, make: () => TensorFunction): CompiledFunction {
    const compiled = this.#compiled.get(key) ?? this.options.engine.compile(make());
    this.#compiled.set(key, compiled);
    return compiled;
  }

  dispose(): void {
    for (const compiled of this.#compiled.values()) compiled.dispose();
    this.#compiled.clear();
  }
}
