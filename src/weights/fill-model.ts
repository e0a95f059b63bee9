import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import type { Checkpoint } from '../sources/source.js';
import { applyLayout, type AxisLayout } from './layouts.js';
import { depthMultiplier, findMismatches, mismatchError } from './weight-mismatch.js';

/** One line of a weight table: our weight name, their tensor name, how the axes of theirs are turned into ours. */
export type WeightRow = readonly [ours: string, theirs: string, layout: AxisLayout];

/** The weight table of one way of naming (huggingface, timm, keras, ...). */
export interface WeightTable<Config> {
  /** Whether a checkpoint with these tensor names uses this naming. */
  readonly detect: (names: ReadonlySet<string>) => boolean;
  readonly rows: (config: Config, names: ReadonlySet<string>) => readonly WeightRow[];
  /** Tensors of the checkpoint that have no place in the backbone: heads, buffers, optimiser state. */
  readonly ignore: readonly RegExp[];
}

/** A weight that can be read and written: a layer's, or an adapter's. */
export interface WeightTarget {
  readonly shape: readonly (number | null)[];
  readonly dtype: tf.DataType;
  read(): tf.Tensor;
  write(value: tf.Tensor): unknown;
}

/** What `fillModel` needs. */
export interface FillRequest<Config> {
  /** Name of the family, for messages. */
  readonly family: string;
  /** Every weight of the network by our name; each is filled exactly once. */
  readonly weights: ReadonlyMap<string, WeightTarget>;
  readonly checkpoint: Checkpoint;
  /** The family's weight tables by the name of the layout; the first that recognises the tensors serves. */
  readonly tables: Readonly<Record<string, WeightTable<Config>>>;
  readonly config: Config;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Copies the tensors of a checkpoint into a network by the family's weight table. All names and shapes are compared before the
 * first byte is read, and every mismatch is in the one error. One tensor is in memory at a time.
 *
 * The network is half filled when a read fails or is aborted; throw it away then.
 * @throws TransferKitError `weight-mismatch`, `aborted`, and what `checkpoint.tensor` throws.
 * @example
 * ```ts
 * const { layout } = await fillModel({ family: 'bert', weights: namedWeights(model), checkpoint, tables: bert.weights, config });
 * console.log(layout); // 'huggingface'
 * ```
 */
export async function fillModel<Config>(request: FillRequest<Config>): Promise<{ layout: string }> {
  const names = new Set(request.checkpoint.tensors.keys());
  const [layout, table] = detectLayout(request, names);
  const rows = table.rows(request.config, names);
  const mismatches = findMismatches(request, rows, table.ignore);
  if (mismatches.length > 0) throw mismatchError(request, layout, mismatches);
  for (const row of rows) {
    if (request.signal?.aborted)
      throw new TransferKitError('aborted', `filling ${request.family} from "${request.checkpoint.origin}" was aborted.`);
    await fillOne(request, row);
  }
  return { layout };
}

function detectLayout<Config>(request: FillRequest<Config>, names: ReadonlySet<string>): readonly [string, WeightTable<Config>] {
  const { family, checkpoint, tables } = request;
  const found = Object.entries(tables).find(([, table]) => table.detect(names));
  if (found !== undefined) return found;
  const shown = [...names].slice(0, 5).map((name) => `"${name}"`);
  throw new TransferKitError(
    'weight-mismatch',
    `the tensors of "${checkpoint.origin}" look like another family than ${family}.\n` +
      `  expected: names of one of the layouts ${Object.keys(tables).join(', ')}\n` +
      `  received: ${names.size} tensors${names.size > 0 ? `: ${shown.join(', ')}${names.size > 5 ? ', ...' : ''}` : ''}\n` +
      '  Fix: name the family that these weights belong to, or open the checkpoint that was meant.',
    { details: { family, origin: checkpoint.origin, layouts: Object.keys(tables), names: [...names].slice(0, 50) } },
  );
}

async function fillOne<Config>({ weights, checkpoint }: FillRequest<Config>, [ours, theirs, layout]: WeightRow): Promise<void> {
  const variable = weights.get(ours)!;
  const read = await checkpoint.tensor(theirs);
  const value = applyLayout(read, layout, depthMultiplier(variable.shape))!;
  const tensor = tf.tensor(value.values, [...value.shape], variable.dtype);
  variable.write(tensor);
  tensor.dispose();
}
