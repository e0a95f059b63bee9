import { addHead } from '../add-head.js';
import type { AnyBackbone } from '../backbones/backbone.js';
import type { Base } from '../base.js';
import type { Dataset, PixelData } from '../data/dataset.js';
import { createDataset } from '../data/create-dataset.js';
import type { EngineOptions } from '../engines/choose-engine.js';
import { classification } from '../heads/classification.js';
import { createRandom } from '../common/random.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { AnyModel } from '../training/weight-set.js';
import { elementCount } from '../weights/tensor-value.js';
import { untrainedBase } from '../untrained-base.js';
import * as tf from '@tensorflow/tfjs-core';

/** A family's tiny network with seeded random weights, as if it had been loaded. */
export async function tinyBase(family: AnyBackbone, runtime: Runtime, seed = 3, engine: EngineOptions = {}): Promise<Base> {
  const base = await untrainedBase(family, { ...family.tiny, runtime, ...engine });
  reseed(base, seed);
  return base;
}

/** Gives every kernel seeded numbers, so that two tiny bases are equal. Norms and biases keep their start. */
function reseed(base: Base, seed: number): void {
  const random = createRandom(seed);
  for (const weight of base.weights().values()) {
    const shape = weight.shape as number[];
    if (shape.length < 2) continue;
    const fanIn = elementCount(shape) / shape[shape.length - 1]!;
    const scale = Math.sqrt(3 / Math.max(1, Math.min(fanIn, 64)));
    const tensor = tf.tensor(
      Float32Array.from({ length: elementCount(shape) }, () => (random.next() * 2 - 1) * scale),
      shape,
    );
    weight.write(tensor);
    tensor.dispose();
  }
}

/** Pictures of noise around eight different colours. */
function noisePictures(): PixelData[] {
  const random = createRandom(11);
  return Array.from({ length: 8 }, () => {
    const tint = [random.integer(200), random.integer(200), random.integer(200)];
    return { width: 36, height: 34, data: Uint8Array.from({ length: 36 * 34 * 3 }, (_, index) => tint[index % 3]! + random.integer(56)) };
  });
}

/** Eight labelled samples of a family, two classes. */
export function tinySamples(family: AnyBackbone): Dataset<never, string> {
  const samples: readonly unknown[] = family.tiny.samples ?? noisePictures();
  const items = samples.map((input, index) => ({ id: `sample-${index}`, input: input as never, target: index % 2 === 0 ? 'even' : 'odd' }));
  return createDataset({ modality: family.modality as never, items, origin: `samples of ${family.name}` });
}

/** A tiny base with a classifier for its samples. */
export async function tinyModel(family: AnyBackbone, runtime: Runtime, engine?: EngineOptions): Promise<AnyModel> {
  return addHead(await tinyBase(family, runtime, 3, engine), classification(['even', 'odd']), { seed: 5 }) as AnyModel;
}
