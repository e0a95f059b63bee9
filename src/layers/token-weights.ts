import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import type { LayerVariable, Shape } from '@tensorflow/tfjs-layers';

/** Settings of `TokenWeights`. */
export interface TokenWeightsArguments {
  readonly name: string;
  /** Number of token ids. */
  readonly tokens: number;
}

/**
 * Multiplies each token's vector by a learned number of its own. Inputs, in this order: vectors float32 [batch, tokens,
 * features], ids int32 [batch, tokens]. Output: float32 [batch, tokens, features]. Weight: `weights`, float32 [tokens].
 */
export class TokenWeights extends layers.Layer {
  static readonly className = 'TransferKitTokenWeights';
  readonly tokens: number;
  #weights!: LayerVariable;

  constructor(options: TokenWeightsArguments) {
    super({ name: options.name });
    this.tokens = options.tokens;
  }

  override build(): void {
    this.#weights = this.addWeight('weights', [this.tokens], 'float32', initializers.ones());
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [vectors, ids] = inputs as tf.Tensor[];
    return tf.tidy(() => tf.mul(vectors!, tf.expandDims(tf.gather(this.#weights.read(), tf.cast(ids!, 'int32')), 2)));
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    return (inputShape as Shape[])[0]!;
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), tokens: this.tokens };
  }
}

tf.serialization.registerClass(TokenWeights);
