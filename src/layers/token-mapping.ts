import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import type { LayerVariable } from '@tensorflow/tfjs-layers';
import { onlyInput } from './call-keywords.js';

/** Settings of `TokenMapping`. */
export interface TokenMappingArguments {
  readonly name: string;
  /** Number of token ids. */
  readonly tokens: number;
}

/**
 * The table row of each token, for vocabularies whose tokens share rows: int32 [batch, tokens] -> the same.
 * Weight: `rows`, int32 [tokens], which never learns.
 */
export class TokenMapping extends layers.Layer {
  static readonly className = 'TransferKitTokenMapping';
  readonly tokens: number;
  #rows!: LayerVariable;

  constructor(options: TokenMappingArguments) {
    super({ name: options.name, dtype: 'int32' });
    this.tokens = options.tokens;
  }

  override build(): void {
    this.#rows = this.addWeight('rows', [this.tokens], 'int32', initializers.zeros(), undefined, false);
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => tf.gather(this.#rows.read(), tf.cast(onlyInput(inputs), 'int32')));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), tokens: this.tokens };
  }
}

tf.serialization.registerClass(TokenMapping);
