import type { SymbolicTensor, layers } from '@tensorflow/tfjs-layers';

/** Applies layers one after another and remembers them: the layers of one group. */
export class LayerChain {
  readonly layers: layers.Layer[] = [];

  /** Adds a layer behind the given tensors. */
  apply(layer: layers.Layer, inputs: SymbolicTensor | SymbolicTensor[]): SymbolicTensor {
    this.layers.push(layer);
    return layer.apply(inputs) as SymbolicTensor;
  }
}
