import * as tf from '@tensorflow/tfjs-core';
import type { LayerVariable, layers } from '@tensorflow/tfjs-layers';
import type { Report } from '../evaluation/report.js';
import type { Modality } from '../inputs/input.js';
import type { Model } from '../model.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- training does not care for targets and predictions
export type AnyModel = Model<Modality, any, any, Report, number>;

/** One weight that learns. */
export interface LearningWeight {
  readonly variable: tf.Variable;
  /** Whether it belongs to the head or to the base: they learn at rates of their own. */
  readonly part: 'head' | 'base';
  /** Biases, normalisation scales and shifts are not decayed. */
  readonly decays: boolean;
}

// tfjs-layers hands out its variables as plain tensors.
// eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
const variableOf = (weight: LayerVariable): tf.Variable => weight.read() as tf.Variable;

/** The base's layers that learn. */
function learningLayers(model: AnyModel): layers.Layer[] {
  const { built } = model.base.parts;
  return built.groups.filter((_, index) => model.base.freeze.learns[index]).flatMap((group) => [...group.layers]);
}

/** The weights that gradients move, as the base's freeze state stands. */
export function learningWeights(model: AnyModel): LearningWeight[] {
  const collect = (part: 'head' | 'base', from: readonly layers.Layer[]): LearningWeight[] =>
    from.flatMap((layer) =>
      layer.trainableWeights.map((weight) => ({ variable: variableOf(weight), part, decays: weight.shape.length > 1 })),
    );
  return [...collect('base', learningLayers(model)), ...collect('head', model.headModel.layers)];
}

/** A copy of weights at one moment, to go back to. Cheap: tensors share their data until they are written. */
export interface Snapshot {
  restore(): void;
  dispose(): void;
}

/** Copies all weights that training can change: those that learn and the statistics of learning layers. */
export function takeSnapshot(model: AnyModel): Snapshot {
  const weights = [...learningLayers(model), ...model.headModel.layers].flatMap((layer) => layer.weights);
  const copies = weights.map((weight) => [variableOf(weight), tf.keep(tf.clone(weight.read()))] as const);
  return {
    restore: () => copies.forEach(([variable, copy]) => variable.assign(copy)),
    dispose: () => copies.forEach(([, copy]) => copy.dispose()),
  };
}
