import type { LayersModel, LayerVariable, layers } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../errors.js';

/** The weights of one layer by the names they are saved under: `block-1.expand/kernel`. */
function layerWeights(layer: layers.Layer): [string, LayerVariable][] {
  return layer.weights.map((weight) => [weight.originalName, weight]);
}

/** Every weight of a model by its saved name. Names must be unique within a model. */
export function namedWeights(model: LayersModel): Map<string, LayerVariable> {
  const named = new Map<string, LayerVariable>();
  for (const [name, weight] of model.layers.flatMap(layerWeights)) {
    if (named.has(name))
      throw new TransferKitError('bad-config', `two weights of the network are called "${name}"; layer names must be unique`);
    named.set(name, weight);
  }
  return named;
}
