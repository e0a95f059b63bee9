import { TransferKitError } from '../errors.js';
import type { ExtractedItem, ExtractionJob, Extractor } from '../feature-cache/extractor.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { AnyModel } from '../training/weight-set.js';
import { fromPlainError, type PlainError } from './plain-error.js';
import { shareModel, type SharedModel } from './shared-model.js';
import { toCloneable } from './to-cloneable.js';
import { WorkerCalls } from './worker-calls.js';

/** What opens an extractor in a worker. */
export interface OpenExtractor {
  readonly model: SharedModel;
  readonly firstGroup: number;
}

/** An extracted item as it crosses between threads. */
export type PlainItem = Exclude<ExtractedItem, { readonly error: unknown }> | { readonly error: PlainError };

/** Jobs that go to one worker together. */
interface Piece {
  readonly jobs: readonly ExtractionJob[];
  readonly call: Call;
  readonly resolve: (items: readonly ExtractedItem[]) => void;
}

/** One `extract`; once it has failed, what is left of it is not begun. */
class Call {
  failed = false;

  constructor(private readonly reject: (error: unknown) => void) {}

  fail(error: unknown): void {
    this.failed = true;
    this.reject(error);
  }
}

/** Parts of a call for each worker: with two, the others need not wait long for a slow one. */
const piecesEach = 2;

/** Most examples a message: bounds what is lost when a call is stopped. */
const largestPiece = 256;

/** Messages that wait in a worker: one is worked on, the next is there when it is done. */
const piecesAhead = 2;

const aborted = (cause: unknown): TransferKitError =>
  new TransferKitError('aborted', 'stopped while workers computed features; nothing was trained and the model is as it was', { cause });

/** An item's error is always one of ours; others end the whole call. */
function ourError(plain: PlainError): TransferKitError {
  const error = fromPlainError(plain);
  if (TransferKitError.isInstance(error)) return error;
  throw error;
}

/** An example whose input is bad by itself before it is sent, or the job as it can be sent. */
function sendable({ item, view }: ExtractionJob): ExtractionJob | { readonly error: TransferKitError } {
  try {
    const { id, weight } = item;
    const input = toCloneable(item.input, `the input of "${id}"`) as typeof item.input;
    const target = toCloneable(item.target, `the target of "${id}"`);
    return { item: { id, input, target, ...(weight === undefined ? {} : { weight }) }, ...(view === undefined ? {} : { view }) };
  } catch (error) {
    if (TransferKitError.isInstance(error) && error.code === 'bad-input') return { error };
    throw error;
  }
}

/** Characters of a text; what is none is as long as all others of its kind. */
const lengthOf = (input: unknown): number => {
  if (typeof input === 'string') return input.length;
  return Array.isArray(input) ? input.reduce<number>((sum, each) => sum + lengthOf(each), 0) : 0;
};

/**
 * Cuts jobs into pieces of about the same work, as lists of their places. Texts of one length are computed together, so they should
 * meet in one piece: the longest come first, which also leaves what is short to the end.
 */
function cutByLength(jobs: readonly ExtractionJob[], count: number): number[][] {
  const costs = jobs.map(({ item }) => 1 + lengthOf(item.input));
  const order = jobs.map((_, place) => place).sort((a, b) => costs[b]! - costs[a]! || a - b);
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  const pieces: number[][] = Array.from({ length: count }, () => []);
  let done = 0;
  for (const place of order) {
    pieces[Math.min(count - 1, Math.floor((done * count) / total))]!.push(place);
    done += costs[place]!;
  }
  return pieces.filter((piece) => piece.length > 0);
}

/** What was computed in another order, each at its place again. */
function inPlace(items: readonly ExtractedItem[], order: readonly number[]): ExtractedItem[] {
  const placed: ExtractedItem[] = [];
  order.forEach((place, index) => (placed[place] = items[index]!));
  return placed;
}

class WorkerExtractor implements Extractor {
  readonly #workers: readonly { readonly calls: WorkerCalls; busy: number }[];
  readonly #queue: Piece[] = [];
  #ended: TransferKitError | undefined;
  readonly #stopListening: () => void;

  constructor(
    private readonly open: OpenExtractor,
    count: number,
    spawn: NonNullable<Runtime['spawnWorker']>,
    signal: AbortSignal | undefined,
  ) {
    this.#workers = Array.from({ length: count }, () => ({ calls: new WorkerCalls(spawn), busy: 0 }));
    const stop = (): void => void this.#end(aborted(signal?.reason));
    signal?.addEventListener('abort', stop, { once: true });
    this.#stopListening = () => signal?.removeEventListener('abort', stop);
  }

  /** Loads the model in every worker. */
  async start(): Promise<this> {
    try {
      await Promise.all(this.#workers.map(({ calls }) => calls.call('openExtractor', this.open)));
      return this;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  extract(jobs: readonly ExtractionJob[]): Promise<readonly ExtractedItem[]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const pieces = cutByLength(jobs, Math.max(piecesEach * this.#workers.length, Math.ceil(jobs.length / largestPiece)));
    return new Promise((resolve, reject) => {
      const call = new Call(reject);
      const results = pieces.map((places) => {
        const piece = places.map((place) => jobs[place]!);
        return new Promise<readonly ExtractedItem[]>((done) => this.#queue.push({ jobs: piece, call, resolve: done }));
      });
      void Promise.all(results).then((items) => resolve(inPlace(items.flat(), pieces.flat())));
      this.#dispatch();
    });
  }

  /** Gives waiting pieces to workers that have room, the least busy first. */
  #dispatch(): void {
    for (;;) {
      const worker = this.#workers.reduce((least, other) => (other.busy < least.busy ? other : least));
      if (worker.busy >= piecesAhead) return;
      const piece = this.#queue.shift();
      if (piece === undefined) return;
      if (piece.call.failed) continue;
      worker.busy++;
      void this.#run(worker.calls, piece).finally(() => {
        worker.busy--;
        this.#dispatch();
      });
    }
  }

  async #run(worker: WorkerCalls, { jobs, call, resolve }: Piece): Promise<void> {
    try {
      const prepared = jobs.map(sendable);
      const sent = prepared.filter((job) => !('error' in job));
      const received = sent.length === 0 ? [] : await worker.call<readonly PlainItem[]>('extract', sent);
      const items = received.map((item): ExtractedItem => ('error' in item ? { error: ourError(item.error) } : item));
      resolve(prepared.map((job): ExtractedItem => ('error' in job ? job : items.shift()!)));
    } catch (error) {
      call.fail(error);
      // The others could go on, but what one died of, lack of memory most often, would end them too, and later.
      if (TransferKitError.isInstance(error) && error.code === 'worker-ended') await this.#end(error);
    }
  }

  async #end(error: TransferKitError): Promise<void> {
    this.#ended ??= error;
    this.#stopListening();
    for (const { call } of this.#queue.splice(0)) call.fail(error);
    await Promise.all(this.#workers.map(({ calls }) => calls.close(error)));
  }

  close(): Promise<void> {
    return this.#end(new TransferKitError('disposed', 'the workers that compute features were closed'));
  }
}

/**
 * An extractor whose work is done by worker threads, each with the model's weights as they stand now and a tfjs backend of its own.
 * It gives the same numbers as one in this thread, and must be closed: open workers keep the program alive.
 *
 * @param firstGroup the border: groups before it are computed
 * @param count number of workers
 * @param signal stops the workers at once; calls under way fail with `aborted`
 * @throws TransferKitError `unsupported` where there are no threads, or for a backbone or head of your own; `aborted`, `not-found`
 */
export async function createWorkerExtractor(model: AnyModel, firstGroup: number, count: number, signal?: AbortSignal): Promise<Extractor> {
  const spawn = spawnerOf(model);
  const open = { model: await shareModel(model, count), firstGroup };
  if (signal?.aborted) throw aborted(signal.reason);
  return new WorkerExtractor(open, count, spawn, signal).start();
}

/** @throws TransferKitError `unsupported` where there are no threads */
export function spawnerOf(model: AnyModel): NonNullable<Runtime['spawnWorker']> {
  const { runtime } = model.base.parts;
  if (runtime.spawnWorker !== undefined) return (module) => runtime.spawnWorker!(module);
  throw new TransferKitError(
    'unsupported',
    `there are no worker threads on the runtime "${runtime.name}".\n  Fix: leave out workers and worker; the result is the same.`,
  );
}
