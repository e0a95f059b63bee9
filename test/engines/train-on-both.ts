/** Trains the same tiny model with each engine, and says how far apart the two came out. */
import { addHead, classification, fineTune, type FineTuneOptions, type TrainingEvent } from 'transferkit';
import { tinyBase, tinySamples } from 'transferkit/testing';
import type { AnyBackbone } from '../../src/backbones/backbone.js';
import type { EngineOptions } from '../../src/engines/choose-engine.js';
import { runtime } from '../../src/runtimes/node.js';
import type { TrainingHistory } from '../../src/training/history.js';
import type { AnyModel } from '../../src/training/weight-set.js';

export type EngineUnderTest = 'eager' | 'onnx';

/** What all trials have in common: nothing on a terminal or on disk, and every example learnt from. */
const quietly = { progress: false, cache: false, validation: 0 } as const;

/** A tiny model whose head may drop features. */
export async function modelOn(family: AnyBackbone, engine: EngineOptions, dropout = 0): Promise<AnyModel> {
  return addHead(await tinyBase(family, runtime, 3, engine), classification(['even', 'odd'], { dropout }), { seed: 5 }) as AnyModel;
}

/** Losses of the single steps, from the means over the epoch that events tell. All batches must be of one size. */
export function stepLosses(events: readonly TrainingEvent[]): number[] {
  let place = '';
  let steps = 0;
  let sum = 0;
  return events.flatMap((event) => {
    if (event.type !== 'step') return [];
    const now = `${event.phase} ${event.epoch}`;
    if (now !== place) [place, steps, sum] = [now, 0, 0];
    const total = event.figures['loss']! * ++steps;
    const loss = total - sum;
    sum = total;
    return [loss];
  });
}

/** The numbers of every weight, by name. */
export async function numbersOf(model: AnyModel): Promise<Map<string, Float32Array>> {
  const numbers = new Map<string, Float32Array>();
  for (const [name, weight] of model.weights()) numbers.set(name, Float32Array.from(await weight.read().data()));
  return numbers;
}

/** How a training went. */
export interface Trial {
  readonly losses: readonly number[];
  readonly history: TrainingHistory;
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly events: readonly TrainingEvent[];
}

/** Trains a model on the samples of its family. */
export async function train(model: AnyModel, options: FineTuneOptions, data = tinySamples(model.base.parts.family)): Promise<Trial> {
  const events: TrainingEvent[] = [];
  const all = { ...quietly, ...options, onEvent: (event: TrainingEvent) => (events.push(event), options.onEvent?.(event)) };
  const { history } = await fineTune(model, data as never, all as never);
  return { losses: stepLosses(events), history, weights: await numbersOf(model), events };
}

/** How far two trials are apart. */
export interface Distance {
  /** Steps that were compared. */
  readonly steps: number;
  /** Largest difference of the loss of a step, as a share of it. */
  readonly loss: number;
  /** Largest difference in a weight, as a share of the largest number of its tensor or of 1. */
  readonly weight: number;
  /** The tensor in which that was. */
  readonly where: string;
}

const apart = (one: number, other: number): number => Math.abs(one - other) / Math.max(Math.abs(one), 1e-3);

function furthest(one: Float32Array, other: Float32Array): number {
  let largest = 1;
  let worst = 0;
  one.forEach((value, index) => {
    largest = Math.max(largest, Math.abs(value));
    worst = Math.max(worst, Math.abs(value - other[index]!));
  });
  return worst / largest;
}

/**
 * Attention takes no notice of what is added to every key alike: the gradient of a key's bias is rounding and nothing else, and an optimiser
 * that divides by the length of the gradient makes whole steps of it.
 */
const isIdle = (name: string): boolean => name.endsWith('/key/bias');

/** Compares losses step by step, and every weight that has a part in them. */
export function distance(one: Trial, other: Trial): Distance {
  const counted = [...one.weights].filter(([name]) => !isIdle(name));
  const weights = counted.map(([name, values]) => [furthest(values, other.weights.get(name)!), name] as const);
  const [weight, where] = weights.reduce((worst, next) => (next[0] > worst[0] ? next : worst));
  return { steps: one.losses.length, loss: Math.max(...one.losses.map((loss, index) => apart(loss, other.losses[index]!))), weight, where };
}
