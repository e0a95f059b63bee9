import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { HostTensor, TensorPlaceholder } from '../engines/engine.js';
import type { HostBatch } from './host-batch.js';

/** What tells which sizes of a batch are those of the examples alone. */
export interface BatchLayout {
  /** The tensors that enter the trained part, the same for each branch. */
  readonly borders: readonly SymbolicTensor[];
  /** Name of the size that examples have of their own; see `InputProcessor.freeSize`. */
  readonly freeSize: string | undefined;
}

/** Sizes of one branch's arrays: those that the network leaves open have a name where they are all the same. */
function branchShapes(arrays: readonly HostTensor[], { borders, freeSize }: BatchLayout, branch: number): (number | string)[][] {
  const isOpen = (position: number, axis: number): boolean => axis > 0 && borders[position]!.shape[axis] == null;
  const open = new Set(arrays.flatMap(({ shape }, position) => shape.filter((_, axis) => isOpen(position, axis))));
  const name = open.size === 1 && freeSize !== undefined ? `${freeSize}${branch === 0 ? '' : branch + 1}` : undefined;
  return arrays.map(({ shape }, position) =>
    shape.map((size, axis) => (axis === 0 ? 'batch' : isOpen(position, axis) ? (name ?? size) : size)),
  );
}

/** The inputs of a step for batches like this one, in the order of branches, targets, weights. */
export function stepPlaceholders({ branches, targets }: HostBatch, layout: BatchLayout): TensorPlaceholder[] {
  return [
    ...branches.flatMap((arrays, branch) => {
      const shapes = branchShapes(arrays, layout, branch);
      return arrays.map(({ type }, index) => ({ name: `branch${branch}/${index}`, type, shape: shapes[index]! }));
    }),
    ...targets.map(({ type, shape }, index) => ({
      name: `target${index}`,
      type,
      shape: ['batch', ...shape.slice(1)],
    })),
    { name: 'weights', type: 'float32', shape: ['batch'] },
  ];
}
