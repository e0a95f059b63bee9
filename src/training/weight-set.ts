import * as tf from '@tensorflow/tfjs-core';
import type { LayerVariable, layers } from '@tensorflow/tfjs-layers';
import type { Report } from '../evaluation/report.js';
import type { Modality } from '../inputs/input.js';
import type { Model } from '../model.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- training does not care for targets and predictions
export type AnyModel = Model<Modality, any, any, Report, number>;

/** A weight by a name that is the same in every run. */
export interface NamedVariable {
  readonly name: string;
  readonly variable: tf.Variable;
}

/** One weight that learns. */
export interface LearningWeight extends NamedVariable {
  readonly part: 'head' | 'base' | 'adapter';
  /** Biases, normalisation scales and shifts are not decayed. */
  readonly decays: boolean;
  /** Its place in `StepRates.rates`; see `rateList`. */
  readonly rateIndex: number;
}

/** Which parts of a model may change. */
export interface LearningParts {
  /** One flag per layer group of the base. */
  readonly learns: readonly boolean[];
  readonly adapter: boolean;
}

/** Peak rates in the order that `rateIndex` counts: head, adapter, then the groups from input to output. */
export const rateList = (rates: { head: number; adapter: number; groups: readonly number[] }): number[] => [
  rates.head,
  rates.adapter,
  ...rates.groups,
];
const headRate = 0;
const adapterRate = 1;
const firstGroupRate = 2;

// tfjs-layers hands out its variables as plain tensors.
// eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
const variableOf = (weight: LayerVariable): tf.Variable => weight.read() as tf.Variable;

interface OwnedWeight {
  readonly weight: LayerVariable;
  readonly name: string;
  readonly part: 'head' | 'base';
  readonly rateIndex: number;
}

/** Weights of the head and of the base's learning groups: those that gradients move, or all with their statistics. */
function ownedWeights(model: AnyModel, learns: readonly boolean[], of: (layer: layers.Layer) => readonly LayerVariable[]): OwnedWeight[] {
  const collect = (part: 'head' | 'base', rateIndex: number, from: readonly layers.Layer[]): OwnedWeight[] =>
    from.flatMap((layer) => of(layer).map((weight) => ({ weight, name: `${part}/${weight.originalName}`, part, rateIndex })));
  const { groups } = model.base.parts.built;
  return [
    ...groups.flatMap((group, index) => (learns[index] ? collect('base', firstGroupRate + index, group.layers) : [])),
    ...collect('head', headRate, model.headModel.layers),
  ];
}

/** The weights that gradients move. */
export function learningWeights(model: AnyModel, { learns, adapter }: LearningParts): LearningWeight[] {
  const own = ownedWeights(model, learns, (layer) => layer.trainableWeights).map(({ weight, ...rest }) => ({
    ...rest,
    variable: variableOf(weight),
    decays: weight.shape.length > 1,
  }));
  const adapted = adapter ? (model.adapter?.weights() ?? []) : [];
  return [
    ...own,
    ...adapted.map(({ variable, name }) => ({
      variable,
      name: `adapter/${name}`,
      part: 'adapter' as const,
      decays: variable.shape.length > 1,
      rateIndex: adapterRate,
    })),
  ];
}

/** All weights that training of these parts can change: those that learn, and the statistics of learning layers. */
export function changingWeights(model: AnyModel, { learns, adapter }: LearningParts): NamedVariable[] {
  const own = ownedWeights(model, learns, (layer) => layer.weights).map(({ weight, name }) => ({ name, variable: variableOf(weight) }));
  const adapted = adapter ? (model.adapter?.weights() ?? []) : [];
  return [...own, ...adapted.map(({ variable, name }) => ({ name: `adapter/${name}`, variable }))];
}

/** A copy of weights at one moment, to go back to. Cheap: tensors share their data until they are written. */
export interface Snapshot {
  /** Copies by name. They belong to the snapshot. */
  readonly tensors: ReadonlyMap<string, tf.Tensor>;
  restore(): void;
  dispose(): void;
}

function snapshotOf(weights: readonly NamedVariable[], copies: readonly tf.Tensor[]): Snapshot {
  return {
    tensors: new Map(weights.map(({ name }, index) => [name, copies[index]!])),
    restore: () => weights.forEach(({ variable }, index) => variable.assign(copies[index]!)),
    dispose: () => tf.dispose([...copies]),
  };
}

/** Copies weights as they stand. */
export const takeSnapshot = (weights: readonly NamedVariable[]): Snapshot =>
  snapshotOf(
    weights,
    weights.map(({ variable }) => tf.keep(tf.clone(variable))),
  );

/** A snapshot from copies that were kept elsewhere, by name. It owns them. */
export const snapshotFrom = (weights: readonly NamedVariable[], copies: ReadonlyMap<string, tf.Tensor>): Snapshot =>
  snapshotOf(
    weights,
    weights.map(({ name }) => copies.get(name)!),
  );
