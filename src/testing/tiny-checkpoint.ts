import type { LayerVariable } from '@tensorflow/tfjs-layers';
import { createRandom } from '../common/random.js';
import type { Checkpoint } from '../sources/source.js';
import type { WeightTable } from '../weights/fill-model.js';
import { layoutShape, type AxisLayout } from '../weights/layouts.js';
import { elementCount, type TensorValue } from '../weights/tensor-value.js';

/** Shapes that could become ours under a layout; the right one is found by trying. */
const candidates = ([a = 1, b = 1, c = 1, d = 1]: readonly number[], rank: number): number[][] =>
  rank === 4
    ? [
        [d, c, a, b],
        [c * d, 1, a, b],
      ]
    : [[b, a]];

/** The published shape that a layout turns into ours. */
function publishedShape(ours: readonly number[], layout: AxisLayout): number[] {
  if (layout === 'copy') return [...ours];
  const multiplier = layout === 'depthwise' ? (ours[3] ?? 1) : 1;
  const found = candidates(ours, ours.length).find((shape) => layoutShape(shape, layout, multiplier)?.join() === ours.join());
  if (found === undefined) throw new Error(`no published shape gives [${ours.join(', ')}] by layout "${layout}"`);
  return found;
}

/**
 * A checkpoint in memory with seeded random numbers, named and shaped as a weight table says: what a published checkpoint of this
 * size would look like.
 * @param extra tensors beyond the table, by name
 */
export function tinyCheckpoint<Config>(
  table: WeightTable<Config>,
  config: Config,
  weights: ReadonlyMap<string, LayerVariable>,
  { seed = 7, extra = new Map<string, TensorValue>() }: { readonly seed?: number; readonly extra?: ReadonlyMap<string, TensorValue> } = {},
): Checkpoint {
  const random = createRandom(seed);
  const tensors = new Map<string, TensorValue>(extra);
  for (const [ours, theirs, layout] of table.rows(config, new Set())) {
    const shape = publishedShape(weights.get(ours)!.shape as number[], layout);
    tensors.set(theirs, { shape, values: Float32Array.from({ length: elementCount(shape) }, () => 0.5 + random.next()) });
  }
  return {
    origin: 'tiny checkpoint',
    revision: `seed-${seed}`,
    config: {},
    tensors: new Map([...tensors].map(([name, { shape }]) => [name, { dtype: 'F32' as const, shape }])),
    tensor: (name) => Promise.resolve(tensors.get(name)!),
    file: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  };
}
