import type { layers } from '@tensorflow/tfjs-layers';
import type { HostTensor } from '../engines/engine.js';

/**
 * A layer that something other than tfjs runs, over plain arrays. It can be run, and neither recorded nor trained through, so it hangs
 * on the network's inputs alone and is run before the rest.
 */
export interface AheadLayer {
  /**
   * Runs it on one batch.
   * @param inputs one for each of its inputs, in order
   * @returns one for each of its outputs
   */
  computeAhead(inputs: readonly HostTensor[]): Promise<readonly HostTensor[]>;
}

/** Whether a layer is to be run ahead of the others. */
export const isAheadLayer = (layer: layers.Layer): layer is layers.Layer & AheadLayer =>
  typeof (layer as Partial<AheadLayer>).computeAhead === 'function';
