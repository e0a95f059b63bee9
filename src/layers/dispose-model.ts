import type { LayersModel } from '@tensorflow/tfjs-layers';

/**
 * Frees all weights of a network. tfjs's own `dispose` counts how often each layer was applied and takes off one, so a layer that
 * two branches share would keep its weights for ever.
 */
export function disposeModel(model: LayersModel): void {
  const values = model.weights.map((weight) => weight.read());
  model.dispose();
  for (const value of values) if (!value.isDisposed) value.dispose();
}
