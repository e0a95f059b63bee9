import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import type { LayerVariable, Shape } from '@tensorflow/tfjs-layers';
import { hash32 } from '../common/random.js';
import { onlyInput } from './call-keywords.js';

/** Settings of `DilatedDepthwise`. */
export interface DilatedDepthwiseArguments {
  readonly name: string;
  /** Distance between the places that the kernel looks at. */
  readonly dilation: number;
}

/** What is added behind a side so that it can be cut into `dilation` equal combs. */
const filler = (side: number, dilation: number): number => (dilation - (side % dilation)) % dilation;

/**
 * A 3x3 depthwise convolution with stride 1 whose kernel is spread out, padded by `dilation` on each side. The picture is taken
 * apart into combs, which are convolved as usual: tfjs has no gradient for a spread kernel, and its own layer ignores the setting.
 * Weight: `depthwise_kernel`, float32 [3, 3, channels, 1].
 *
 * @source Chen et al. 2017, "Rethinking Atrous Convolution for Semantic Image Segmentation"
 */
export class DilatedDepthwise extends layers.Layer {
  static readonly className = 'TransferKitDilatedDepthwise';
  readonly dilation: number;
  #kernel!: LayerVariable;

  constructor(options: DilatedDepthwiseArguments) {
    super({ name: options.name });
    this.dilation = options.dilation;
  }

  override build(inputShape: Shape | Shape[]): void {
    const channels = (inputShape as Shape).at(-1)!;
    this.#kernel = this.addWeight('depthwise_kernel', [3, 3, channels, 1], 'float32', initializers.heUniform({ seed: hash32(this.name) }));
    this.built = true;
  }

  /** `inputs`: float32 [batch, height, width, channels]. */
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const values = onlyInput(inputs) as tf.Tensor4D;
      const { dilation } = this;
      const fillers = [filler(values.shape[1], dilation), filler(values.shape[2], dilation)];
      const combs = tf.spaceToBatchND(
        values,
        [dilation, dilation],
        fillers.map((fill) => [dilation, dilation + fill]),
      ); // [batch * dilation^2, ...]
      const filtered = tf.depthwiseConv2d(combs, this.#kernel.read() as tf.Tensor4D, 1, 'valid');
      return tf.batchToSpaceND(
        filtered,
        [dilation, dilation],
        fillers.map((fill) => [0, fill]),
      ); // [batch, height, width, channels]
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), dilation: this.dilation };
  }
}

tf.serialization.registerClass(DilatedDepthwise);
