import type * as tf from '@tensorflow/tfjs-core';
import { averageOf } from './weight-average.js';
import { snapshotFrom, takeSnapshot, type NamedVariable, type Snapshot } from './weight-set.js';

/** An epoch that is among the best: its number, and its cost (lower is better). */
export interface RankedEpoch {
  readonly epoch: number;
  readonly cost: number;
}

interface KeptEpoch extends RankedEpoch {
  readonly snapshot: Snapshot;
}

/** The weights of the best epochs so far, and those from before the first. */
export class BestEpochs {
  /** Best first. */
  #kept: KeptEpoch[];

  /**
   * @param count how many are kept
   * @param lowerIsBetter true for a loss; any other figure is better when higher
   */
  constructor(
    private readonly weights: readonly NamedVariable[],
    private readonly count: number,
    private readonly lowerIsBetter: boolean,
  ) {
    this.#kept = [{ epoch: 0, cost: Number.POSITIVE_INFINITY, snapshot: takeSnapshot(weights) }];
  }

  /** The best epoch, from 1; 0 when none was finished. */
  get epoch(): number {
    return this.#kept[0]!.epoch;
  }

  /** Keeps the weights as they stand when they are among the best; tells whether they are the best. */
  add(epoch: number, value: number): boolean {
    const cost = this.lowerIsBetter ? value : -value;
    if (!(cost < this.#kept.at(-1)!.cost) && (this.#kept.length >= this.count || Number.isNaN(cost))) return false;
    const entry = { epoch, cost, snapshot: takeSnapshot(this.weights) };
    // Weights from before the first epoch are no epoch's: they make way as soon as there is one.
    const others = this.#kept.filter((kept) => kept.epoch > 0 || this.#drop(kept));
    const place = others.findIndex((kept) => cost < kept.cost);
    others.splice(place < 0 ? others.length : place, 0, entry);
    others.splice(this.count).forEach((kept) => kept.snapshot.dispose());
    this.#kept = others;
    return this.#kept[0] === entry;
  }

  #drop({ snapshot }: KeptEpoch): false {
    snapshot.dispose();
    return false;
  }

  /** Puts the best weights into the model: those of the best epoch, or the mean of all that are kept. */
  restoreBest(): void {
    const [best, ...others] = this.#kept;
    if (others.length === 0) {
      best!.snapshot.restore();
      return;
    }
    const mean = snapshotFrom(this.weights, averageOf(this.#kept.map(({ snapshot }) => snapshot.tensors)));
    mean.restore();
    mean.dispose();
  }

  ranks(): RankedEpoch[] {
    return this.#kept.map(({ epoch, cost }) => ({ epoch, cost }));
  }

  /** Copies of weights, in the order of `ranks`. */
  tensors(): ReadonlyMap<string, tf.Tensor>[] {
    return this.#kept.map(({ snapshot }) => snapshot.tensors);
  }

  /** Takes over what another run had kept. */
  restore(ranks: readonly RankedEpoch[], tensors: readonly ReadonlyMap<string, tf.Tensor>[]): void {
    this.dispose();
    this.#kept = ranks.map((rank, index) => ({ ...rank, snapshot: snapshotFrom(this.weights, tensors[index]!) }));
  }

  dispose(): void {
    for (const { snapshot } of this.#kept) snapshot.dispose();
    this.#kept = [];
  }
}
