import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import type { LayerVariable, Shape } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../errors.js';
import { onlyInput } from './call-keywords.js';
import { seededInitializer } from './seeded-uniform.js';

/** Settings of `PositionEmbedding`. */
export interface PositionEmbeddingArguments {
  readonly name: string;
  /** Most tokens that a text may have. */
  readonly positions: number;
}

/**
 * Adds a learned vector for each place in the text: float32 [batch, tokens, features] -> the same.
 * Weight: `embeddings`, float32 [positions, features].
 */
export class PositionEmbedding extends layers.Layer {
  static readonly className = 'TransferKitPositionEmbedding';
  readonly positions: number;
  #embeddings!: LayerVariable;

  constructor(options: PositionEmbeddingArguments) {
    super({ name: options.name });
    this.positions = options.positions;
  }

  override build(inputShape: Shape | Shape[]): void {
    const features = (inputShape as Shape).at(-1)!;
    this.#embeddings = this.addWeight('embeddings', [this.positions, features], 'float32', seededInitializer(0.02, this.name));
    this.built = true;
  }

  /** @throws TransferKitError `too-large` when there are more tokens than positions. */
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const values = onlyInput(inputs);
    const tokens = values.shape[1]!;
    if (tokens > this.positions) throw tooManyTokens(tokens, this.positions);
    return tf.tidy(() => tf.add(values, tf.slice(this.#embeddings.read(), [0, 0], [tokens, -1])));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), positions: this.positions };
  }
}

function tooManyTokens(tokens: number, positions: number): TransferKitError {
  return new TransferKitError(
    'too-large',
    `a text of ${tokens} tokens was given to a network that has positions for ${positions}.\n  Fix: set the input recipe's maxLength to ${positions} or less; longer texts are then cut.`,
    { details: { tokens, positions } },
  );
}

tf.serialization.registerClass(PositionEmbedding);
