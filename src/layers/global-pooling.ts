import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import type { Shape } from '@tensorflow/tfjs-layers';
import { onlyInput } from './call-keywords.js';

/** Settings of `GlobalPooling`. */
export interface GlobalPoolingArguments {
  readonly name: string;
  readonly mode: 'average' | 'maximum';
  /** Whether height and width stay as axes of length 1. tfjs's own layers cannot do that. Default false. */
  readonly keepAxes?: boolean;
}

/** One value for each channel of a map: float32 [batch, height, width, channels] to [batch, channels] or [batch, 1, 1, channels]. */
export class GlobalPooling extends layers.Layer {
  static readonly className = 'TransferKitGlobalPooling';
  readonly mode: 'average' | 'maximum';
  readonly keepAxes: boolean;

  constructor(options: GlobalPoolingArguments) {
    super({ name: options.name });
    this.mode = options.mode;
    this.keepAxes = options.keepAxes ?? false;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const [batch = null, , , channels = null] = inputShape as Shape;
    return this.keepAxes ? [batch, 1, 1, channels] : [batch, channels];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const reduce = this.mode === 'average' ? tf.mean : tf.max;
    return tf.tidy(() => reduce(onlyInput(inputs), [1, 2], this.keepAxes));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), mode: this.mode, keepAxes: this.keepAxes };
  }
}

tf.serialization.registerClass(GlobalPooling);
