import * as tf from '@tensorflow/tfjs-core';
import { eager } from '../engines/eager.js';
import type { CompiledFunction, Engine, TensorFunction } from '../engines/engine.js';
import { TransferKitError } from '../errors.js';
import type { NamedVariable } from './weight-set.js';

/** What the next update of a moving average depends on beside the weights. */
export interface AverageState {
  readonly updates: number;
  /** Averages by the names of their weights. */
  readonly tensors: ReadonlyMap<string, tf.Tensor>;
}

/**
 * An exponential moving average of weights, which often predicts better than the weights of the last step. While a run is young its
 * memory is short, so that the start is forgotten: the decay is the smaller of `decay` and `(1 + updates) / (10 + updates)`.
 * @source Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; the warm-up is TensorFlow's
 */
export class MovingAverage {
  #updates = 0;
  readonly #averages: tf.Variable[];
  readonly #move: CompiledFunction;
  /** The weights of training, while the averages stand in their place. */
  #live: tf.Tensor[] | undefined;

  constructor(
    readonly weights: readonly NamedVariable[],
    readonly decay: number,
    private readonly engine: Engine = eager,
  ) {
    this.#averages = weights.map(({ variable }) => tf.tidy(() => tf.variable(tf.clone(variable), false)));
    this.#move = engine.compile(this.#moveFunction());
  }

  /** What an update does: every average goes a share of its way to the weight. */
  #moveFunction(): TensorFunction {
    const averages = this.weights.map(({ name }, index) => ({ name: `average/${name}`, variable: this.#averages[index]! }));
    return {
      name: 'moving average',
      inputs: [{ name: 'share', type: 'float32', shape: [] }],
      outputs: [],
      compute: ([share]) => {
        this.weights.forEach(({ variable }, index) => {
          const average = this.#averages[index]!;
          tf.tidy(() => average.assign(tf.add(average, tf.mul(tf.sub(variable, average), share!))));
        });
        return [];
      },
      constants: () => [],
      state: [...this.weights, ...averages],
    };
  }

  /** Takes the weights as they stand into the average. Call after each move of the weights. */
  async update(): Promise<void> {
    this.swapOut();
    const decay = Math.min(this.decay, (1 + this.#updates) / (10 + this.#updates));
    this.#updates++;
    await this.#move.run([{ type: 'float32', shape: [], values: Float32Array.of(1 - decay) }]);
  }

  /** Puts what the engine keeps elsewhere into the variables. */
  #settle(): void {
    this.engine.settle([...this.weights.map(({ variable }) => variable), ...this.#averages]);
  }

  /** Puts the averages in the place of the weights, to be judged or saved. Once is enough. */
  swapIn(): void {
    if (this.#live !== undefined) return;
    this.#settle();
    this.#live = this.weights.map(({ variable }) => tf.keep(tf.clone(variable)));
    this.weights.forEach(({ variable }, index) => variable.assign(this.#averages[index]!));
  }

  /** Puts the weights of training back, bit by bit. Without `swapIn` before, nothing. */
  swapOut(): void {
    this.weights.forEach(({ variable }, index) => this.#live && variable.assign(this.#live[index]!));
    this.#forgetLive();
  }

  #forgetLive(): void {
    tf.dispose(this.#live ?? []);
    this.#live = undefined;
  }

  /** What the next update depends on. The tensors stay this average's: read them before its next update. */
  state(): AverageState {
    this.#settle();
    return { updates: this.#updates, tensors: new Map(this.weights.map(({ name }, index) => [name, this.#averages[index]!])) };
  }

  /**
   * Goes on where a state was taken. Tensors are copied; the caller's stay his.
   * @throws TransferKitError `weight-mismatch` when the state is of other weights; then nothing has changed
   */
  restore({ updates, tensors }: AverageState): void {
    const fits = ({ name, variable }: NamedVariable): boolean => tf.util.arraysEqual(tensors.get(name)?.shape ?? [-1], variable.shape);
    const wrong = this.weights.filter((weight) => !fits(weight)).map(({ name }) => name);
    if (wrong.length > 0)
      throw new TransferKitError(
        'weight-mismatch',
        `the saved average has no fitting tensor for ${wrong.slice(0, 5).join(', ')} (${wrong.length} of ${this.weights.length} weights).\n` +
          '  Fix: continue with the layers that the state was taken with.',
        { details: { weights: wrong } },
      );
    this.swapOut();
    this.weights.forEach(({ name }, index) => tf.tidy(() => this.#averages[index]!.assign(tf.clone(tensors.get(name)!))));
    this.#updates = updates;
  }

  /** Frees the averages. The weights stay as they are, also while the averages stand in their place. Idempotent. */
  dispose(): void {
    this.#move.dispose();
    tf.dispose(this.#averages);
    this.#forgetLive();
  }
}

/**
 * The mean of several sets of weights, such as the snapshots of the best epochs.
 * @param sets at least one; each has the same names and shapes
 * @returns new tensors by name. Caller disposes
 */
export function averageOf(sets: readonly ReadonlyMap<string, tf.Tensor>[]): Map<string, tf.Tensor> {
  const [first, ...rest] = sets;
  const mean = (name: string, start: tf.Tensor): tf.Tensor =>
    tf.tidy(() => {
      const sum = rest.reduce((total, set) => tf.add(total, set.get(name)!), start);
      return tf.keep(rest.length === 0 ? tf.clone(start) : tf.div(sum, sets.length));
    });
  return new Map([...first!].map(([name, tensor]) => [name, mean(name, tensor)]));
}
