import type * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import type { BackendMemory, MemoryUse } from '../runtimes/runtime.js';
import type { Part } from './step-batch.js';

/** Bytes that one kind of computing takes for examples of one size. */
interface Need {
  /** Every axis of the batch's tensors but the first. */
  readonly axes: readonly number[];
  /** Whatever the number of examples. */
  readonly fixed: number;
  /** For each example. */
  readonly each: number;
}

/**
 * Share of the memory that is planned with. The rest is for holes between tensors, which grow with the variety of shapes, and for what the
 * backend keeps for itself. Larger parts are no faster.
 */
const usableShare = 0.6;

const axesOf = (batch: readonly tf.Tensor[]): number[] => batch.flatMap(({ shape }) => shape.slice(1));
const bytesOf = (tensors: readonly tf.Tensor[]): number => tensors.reduce((sum, { size }) => sum + 4 * size, 0);

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;

/** Shape of the largest array of one example. */
const exampleShape = (batch: readonly tf.Tensor[]): number[] => batch.reduce((a, b) => (b.size > a.size ? b : a)).shape.slice(1);

const fix =
  'shorter texts (maxLength) or smaller photos, freeze more layers (unfreeze: { last: 1 }), or, in Node, let ONNX Runtime compute (npm install onnxruntime-node).';

function doesNotFit(batch: readonly tf.Tensor[], needed: number, available: number): TransferKitError {
  const shape = exampleShape(batch);
  return new TransferKitError(
    'out-of-memory',
    `one example of [${shape.join(', ')}] does not fit into the memory of the backend.
` +
      `  Needed: ${mebibytes(needed)}
  Available beside the weights: ${mebibytes(available)}
  Fix: ${fix}`,
    { details: { shape, needed, available } },
  );
}

/** An error that says that the memory got full while a batch was computed, with the batch named; any other error as it is. */
export function fullMemory(error: unknown, batch: readonly tf.Tensor[]): unknown {
  if (!TransferKitError.isInstance(error) || error.code !== 'out-of-memory' || 'shape' in error.details) return error;
  const shape = exampleShape(batch);
  const examples = batch[0]!.shape[0];
  const reason = error.message.slice(error.code.length + 2).split('\n')[0]!;
  return new TransferKitError(
    'out-of-memory',
    `a batch of ${examples} examples, of up to [${shape.join(', ')}] each, could not be computed: ${reason}\n` +
      `  Fix: a smaller batchSize, dispose models that are not used any more, ${fix}`,
    { details: { ...error.details, examples, shape }, cause: error },
  );
}

/**
 * Cuts batches into parts of which each fits into the backend's memory, for one kind of computing.
 *
 * What an example takes is not guessed from the layers but watched, while one and two examples of a batch are computed: layers that
 * nobody knows yet are judged rightly too. It depends on the network and on the shapes of the batch alone, so the same batch is
 * always cut in the same way, also in a run that is taken up again.
 */
export class StepParts {
  readonly #needs: Need[] = [];

  /**
   * @param memory undefined where nothing has to be cut
   * @param kept bytes that are taken all the time: weights, slots, copies
   */
  constructor(
    private readonly memory: BackendMemory | undefined,
    private readonly kept: number,
  ) {}

  /**
   * The parts of a batch, in order; one where all of it fits.
   * @param batch its tensors, examples along the first axis
   * @param compute computes the first examples of it and leaves no trace
   * @throws TransferKitError `out-of-memory` where a single example does not fit
   */
  cut(batch: readonly tf.Tensor[], compute: (examples: number) => void): Part[] {
    const count = batch[0]!.shape[0];
    const parts = this.memory === undefined || count === 1 ? 1 : this.#partsOf(this.memory, batch, count, compute);
    const border = (part: number): number => Math.floor((part * count) / parts);
    return Array.from({ length: parts }, (_, part) => ({ start: border(part), end: border(part + 1) }));
  }

  #partsOf(memory: BackendMemory, batch: readonly tf.Tensor[], count: number, compute: (examples: number) => void): number {
    const kept = this.kept + bytesOf(batch);
    const room = usableShare * memory.limit - kept;
    const axes = axesOf(batch);
    const fits = ({ fixed, each }: Need): boolean => fixed + count * each <= room;
    // What fits at a larger size fits at this one.
    if (this.#needs.some((need) => axes.every((size, index) => size <= need.axes[index]!) && fits(need))) return 1;
    const need = this.#needFor(memory, axes, compute);
    if (fits(need)) return 1;
    const least = need.fixed + need.each;
    if (kept + least > memory.limit) throw doesNotFit(batch, least, Math.max(0, memory.limit - kept));
    return Math.ceil(count / Math.max(1, Math.floor((room - need.fixed) / need.each)));
  }

  #needFor(memory: BackendMemory, axes: readonly number[], compute: (examples: number) => void): Need {
    const known = this.#needs.find((need) => need.axes.every((size, index) => size === axes[index]));
    if (known !== undefined) return known;
    const [one, two] = [1, 2].map((examples) => memory.watch(() => compute(examples))) as [MemoryUse, MemoryUse];
    // The peak of few examples may be where the weights count most; backwards, memory grows until the end, where examples do.
    const each = Math.max(1, two.peak - one.peak, two.last - one.last);
    const need = { axes, each, fixed: Math.max(0, one.peak - each) };
    this.#needs.push(need);
    return need;
  }
}
