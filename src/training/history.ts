import type { SkippedItem } from '../data/dataset.js';
import type { SolveResult } from '../heads/head.js';

/** Figures of one epoch. */
export interface EpochRecord {
  /** Name of the phase: `head`, `fine-tune`. */
  readonly phase: string;
  /** From 1, within its phase. */
  readonly epoch: number;
  /** Mean training loss, as it was while the weights moved. */
  readonly loss: number;
  /** Mean training accuracy, for a classifier. */
  readonly accuracy?: number;
  /** The same figures on the validation examples, after the epoch. */
  readonly validation?: Readonly<Record<string, number>> & { readonly loss: number; readonly accuracy?: number };
  /** How the head was fitted, where it was fitted at once: iterations, and the strength of the penalty that was chosen. */
  readonly solved?: SolveResult;
  /** Learning rate of the head at the last step; 0 where it was fitted at once. */
  readonly learningRate: number;
  readonly seconds: number;
}

/** What happened in a run. */
export interface TrainingHistory {
  readonly epochs: readonly EpochRecord[];
  /** Per phase: the epoch whose weights were kept; where several were averaged, the best of them. */
  readonly best: Readonly<Record<string, number>>;
  /** How the run ended. After `aborted` the model has the best weights so far. */
  readonly ended: 'completed' | 'early-stopping' | 'aborted';
  /** Training and validation examples that could not be read. */
  readonly skipped: readonly SkippedItem[];
  /** Wall-clock seconds: reading and features, then training. */
  readonly seconds: { readonly features: number; readonly training: number };
}
