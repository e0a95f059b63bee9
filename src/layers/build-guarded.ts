import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import type { LayerVariable } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../errors.js';
import type { Checkpoint } from '../sources/source.js';
import { elementCount } from '../weights/tensor-value.js';

/** Beyond twice what the checkpoint holds, so that an honest mismatch is still reported name by name: 16 million numbers, 64 MB. */
const spareNumbers = 16e6;
const spareWeights = 1000;

/** How tfjs makes a weight of a layer; it allocates at once. */
type AddWeight = (name: string, shape: readonly unknown[], dtype: unknown, initializer: unknown, ...rest: unknown[]) => LayerVariable;
const prototype = layers.Layer.prototype as unknown as { addWeight: AddWeight };

/** Counts the weights of one build, and refuses the one that would go too far before it is allocated. */
class WeightCounter {
  readonly made: LayerVariable[] = [];
  #numbers = 0;
  readonly #held: number;

  constructor(
    private readonly what: string,
    private readonly checkpoint: Checkpoint,
  ) {
    this.#held = [...checkpoint.tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  }

  /** @throws TransferKitError `bad-config` */
  count(name: string, shape: readonly unknown[]): void {
    const isShape = shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
    this.#numbers += isShape ? elementCount(shape as number[]) : Number.NaN;
    const fits = this.#numbers <= 2 * this.#held + spareNumbers && this.made.length < 2 * this.checkpoint.tensors.size + spareWeights;
    if (!fits) throw this.#tooLarge(`${name} [${shape.map(String).join(',')}] as its weight ${this.made.length + 1}`);
  }

  #tooLarge(received: string): TransferKitError {
    const { origin, tensors } = this.checkpoint;
    return new TransferKitError(
      'bad-config',
      `the configuration in "${origin}" asks for another ${this.what} than its weights can fill.\n` +
        `  Expected: a network for the ${tensors.size} tensors of ${this.#held.toLocaleString('en-US')} numbers that are there\n  Received: ${received}\n` +
        `  Fix: use the configuration that was published with these weights; nothing was allocated for it.`,
      { details: { origin, tensors: tensors.size, numbers: this.#held } },
    );
  }
}

/** The same error, or a `bad-config` one for what tfjs and plain JavaScript throw at settings that make no sense. */
function explain(error: unknown, what: string, { origin }: Checkpoint): TransferKitError {
  if (TransferKitError.isInstance(error)) return error;
  const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0]!.replace(/\bundefined\b/g, 'nothing');
  return new TransferKitError(
    'bad-config',
    `no ${what} can be built from the configuration in "${origin}".\n  Received: ${reason.slice(0, 300)}\n` +
      `  Fix: use the configuration that was published with these weights.`,
    { details: { origin }, cause: error },
  );
}

/**
 * Builds layers that a checkpoint is about to fill. Sizes come from a file that may be hostile, so they are held against the
 * tensors that are there before anything is allocated. When the build fails, what it made is freed.
 *
 * Initial values are zeros: each of them is overwritten.
 * @param what what is built, for messages: `bert`
 * @throws TransferKitError `bad-config`, and what `build` throws of that class
 */
export function buildGuarded<Result>(what: string, checkpoint: Checkpoint, build: () => Result): Result {
  const counter = new WeightCounter(what, checkpoint);
  const { addWeight } = prototype;
  prototype.addWeight = function (this: layers.Layer, name, shape, dtype, _initializer, ...rest) {
    counter.count(`${this.name}/${name}`, shape);
    const weight = addWeight.call(this, name, shape, dtype, initializers.zeros(), ...rest);
    counter.made.push(weight);
    return weight;
  };
  try {
    return build();
  } catch (error) {
    tf.dispose(counter.made.map((weight) => weight.read()));
    throw explain(error, what, checkpoint);
  } finally {
    prototype.addWeight = addWeight;
  }
}
