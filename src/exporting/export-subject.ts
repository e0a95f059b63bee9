import * as tf from '@tensorflow/tfjs-core';
import type { SymbolicTensor, layers } from '@tensorflow/tfjs-layers';
import type { FeatureName } from '../backbones/backbone.js';
import { Base } from '../base.js';
import { TransferKitError } from '../errors.js';
import type { LayerAdapter } from '../layers/run-graph.js';
import type { AnyModel } from '../training/weight-set.js';

/** A model, or a base without a head, that is to be exported. */
export interface ExportSubject {
  readonly base: Base;
  readonly model?: AnyModel;
}

/**
 * Takes apart what a caller gave.
 * @throws TransferKitError `bad-option` for anything else; `disposed`
 */
export function exportSubject(call: string, given: AnyModel | Base): ExportSubject {
  if (given instanceof Base) {
    given.assertUsable();
    return { base: given };
  }
  if (typeof given !== 'object' || given === null || !(given.base instanceof Base) || given.headModel === undefined) {
    throw new TransferKitError(
      'bad-option',
      `${call} exports a model or a base.\n  Expected: what addHead, fineTune, loadModel or loadPretrained gave\n` +
        `  Received: ${given === null ? 'null' : typeof given}\n  Fix: pass the model itself, not its path or its predictions.`,
    );
  }
  given.assertUsable();
  return { base: given.base, model: given };
}

/** Puts the latest numbers into the weights: an engine may keep them elsewhere after a training. */
export function settleWeights({ base, model }: ExportSubject): void {
  const weights: unknown[] = [...(model ?? base).weights().values()].map((weight) => weight.read());
  base.engine.settle(weights as tf.Variable[]); // tfjs-layers hands out its variables as plain tensors
}

/** The features that the exported network gives or its head takes, and the tensors behind them. */
export const featuresOf = ({ base }: ExportSubject, names: readonly FeatureName[]): SymbolicTensor[] =>
  names.map((name) => base.feature(name));

/** The adapter of a model as part of its base's kernels. */
export interface MergedAdapter {
  /** Computes the adapted layers; undefined where there is no adapter. */
  readonly adapter: LayerAdapter | undefined;
  readonly kernels: ReadonlyMap<layers.Layer, tf.Tensor>;
  dispose(): void;
}

/** Kernels of the adapted layers with their updates added, so that an export has no layers beside them. Caller disposes. */
export function mergeForExport({ model }: ExportSubject): MergedAdapter {
  const merged = new Map((model?.adapter?.mergedLayers() ?? []).map((one) => [one.layer, one]));
  const kernels = new Map([...merged].map(([layer, { kernel }]) => [layer, kernel]));
  const adapter: LayerAdapter = {
    handles: (layer) => merged.has(layer),
    weights: () => [...kernels.values()],
    apply: (layer, [inputs]) => {
      const { linear, kernel } = merged.get(layer)!;
      return tf.tidy(() => {
        const product = linear.multiply(inputs!, kernel);
        return linear.activate(linear.bias === undefined ? product : tf.add(product, linear.bias.read()));
      });
    },
  };
  return { adapter: merged.size === 0 ? undefined : adapter, kernels, dispose: () => tf.dispose([...kernels.values()]) };
}
