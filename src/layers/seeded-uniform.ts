import * as tf from '@tensorflow/tfjs-core';
import type { initializers } from '@tensorflow/tfjs-layers';
import { createRandom, hash32 } from '../common/random.js';

/** Length of the block of random numbers that is repeated in large weights: a prime, so that no two rows become equal. */
const block = 65521;

/**
 * A float32 weight of seeded uniform numbers with mean 0 and the given standard deviation.
 *
 * Meant for weights that a checkpoint overwrites at once, so it is made to cost little: a large weight repeats one block.
 * @param name what seeds it: the same name gives the same numbers
 */
export function seededUniform(shape: number[], deviation: number, name: string): tf.Tensor {
  const values = new Float32Array(tf.util.sizeFromShape(shape));
  const random = createRandom(hash32(name));
  const width = 2 * deviation * Math.sqrt(3);
  const drawn = Math.min(block, values.length);
  for (let index = 0; index < drawn; index++) values[index] = (random.next() - 0.5) * width;
  for (let start = block; start < values.length; start += block) values.copyWithin(start, 0, Math.min(block, values.length - start));
  return tf.tensor(values, shape, 'float32');
}

/** `seededUniform` as an initialiser for tfjs's layers. */
export type SeededInitializer = ReturnType<typeof initializers.zeros>;

/** What seeds an initialiser, and how far its numbers spread. */
interface SeededUniformArguments {
  readonly deviation: number;
  readonly name: string;
}

class SeededUniform extends tf.serialization.Serializable {
  static readonly className = 'TransferKitSeededUniform';
  readonly #options: SeededUniformArguments;

  constructor(options: SeededUniformArguments) {
    super();
    this.#options = options;
  }

  apply(shape: number[]): tf.Tensor {
    return seededUniform(shape, this.#options.deviation, this.#options.name);
  }

  getConfig(): tf.serialization.ConfigDict {
    return { ...this.#options };
  }
}

tf.serialization.registerClass(SeededUniform);

/** An initialiser for a weight that a layer of ours adds. */
export function seededInitializer(deviation: number, name: string): SeededInitializer {
  // tfjs keeps the base class to itself; what it asks of an initialiser is `apply` and `getConfig`.
  return new SeededUniform({ deviation, name }) as unknown as SeededInitializer;
}

/** The same for tfjs's own layers, which take an initialiser that is not of their making only by its registered name. */
export function seededInitializerByName(deviation: number, name: string): SeededInitializer {
  return { className: SeededUniform.className, config: { deviation, name } } as unknown as SeededInitializer;
}
