import type { Tensor } from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';

/** What a layer is told with each call, beside its inputs. */
export interface CallKeywords {
  /** Whether the layer is in training mode; only then is anything dropped. */
  readonly training?: boolean;
  /** The next seed, a 31-bit integer; needed in training mode by layers that draw random numbers. */
  readonly random?: () => number;
}

/** What `tf.customGrad` hands to a function beside its inputs, under a name that tfjs does not export. */
export type SaveForGradient = (tensors: Tensor[]) => void;

/** The one input of a layer that takes one. */
export const onlyInput = (inputs: Tensor | Tensor[]): Tensor => (Array.isArray(inputs) ? inputs[0]! : inputs);

/** The next seed of a call in training mode. */
export function nextSeed(layerName: string, keywords: CallKeywords): number {
  if (keywords.random !== undefined) return keywords.random();
  throw new TransferKitError(
    'bad-option',
    `layer "${layerName}" drops values in training mode and was given no seeds: expected a function \`random\` among the call's keywords, received none.\n` +
      `  Fix: call it with { training: true, random: () => seed }, or with { training: false }.`,
  );
}
