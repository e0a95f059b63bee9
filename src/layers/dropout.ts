import { serialization } from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { onlyInput, nextSeed } from './call-keywords.js';
import type { CallKeywords } from './call-keywords.js';
import { dropValues } from './drop-values.js';

/** Settings of `Dropout`. */
export interface DropoutArguments {
  readonly name: string;
  /** Share of the values that is dropped in training, 0 up to but not 1. */
  readonly rate: number;
}

/**
 * Inverted dropout whose masks come from the caller's seeds: same seeds, same masks, on every backend; a new mask each call.
 * Outside training, and with rate 0, it does nothing.
 *
 * @source Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting"
 */
export class Dropout extends layers.Layer {
  static readonly className = 'TransferKitDropout';
  readonly rate: number;

  constructor(options: DropoutArguments) {
    super({ name: options.name });
    this.rate = options.rate;
  }

  /** `inputs`: float32 of any shape. */
  override call(inputs: Tensor | Tensor[], keywords: CallKeywords): Tensor {
    const values = onlyInput(inputs);
    if (keywords.training !== true || this.rate === 0) return values;
    return dropValues(values, this.rate, nextSeed(this.name, keywords));
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), rate: this.rate };
  }
}

serialization.registerClass(Dropout);
