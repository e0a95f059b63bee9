import { TransferKitError } from '../errors.js';
import type { Runtime, SpawnedWorker } from '../runtimes/runtime.js';
import { workerProgram } from '../worker-program.js';
import type { AnswerMessage, CallMessage, NewsMessage } from './messages.js';
import { fromPlainError } from './plain-error.js';

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

function died(error: Error): TransferKitError {
  const outOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
  const fix = outOfMemory
    ? 'use fewer workers, or give the process more memory'
    : 'run it again; if it happens again, run it without workers';
  return new TransferKitError('worker-ended', `a worker ended in the middle of its work: ${error.message}\n  Fix: ${fix}.`, {
    details: { outOfMemory },
    cause: error,
  });
}

/**
 * A worker that runs the package's worker program, and calls of its methods.
 *
 * Every call ends: with the method's result, with its error, or, when the worker dies or is closed, with an error that says so.
 */
export class WorkerCalls {
  readonly #worker: SpawnedWorker;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #ended: TransferKitError | undefined;

  /** @param onNews told of what the worker tells while it works */
  constructor(spawn: NonNullable<Runtime['spawnWorker']>, onNews: (news: unknown) => void = () => undefined) {
    this.#worker = spawn(workerProgram());
    this.#worker.onMessage((message) => {
      const received = message as AnswerMessage | NewsMessage;
      if ('news' in received) onNews(received.news);
      else this.#settle(received);
    });
    this.#worker.onError((error) => this.#end(died(error)));
  }

  /** Calls a method. @throws what the method throws; TransferKitError `worker-ended` when the worker dies */
  call<Result>(method: string, argument: unknown, transfer?: readonly ArrayBuffer[]): Promise<Result> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const id = this.#calls++;
    return new Promise<Result>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, method, argument } satisfies CallMessage, transfer);
    });
  }

  #settle(answer: AnswerMessage): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if ('error' in answer) pending?.reject(fromPlainError(answer.error));
    else pending?.resolve(answer.value as never);
  }

  #end(error: TransferKitError): void {
    this.#ended ??= error;
    for (const { reject } of this.#pending.values()) reject(this.#ended);
    this.#pending.clear();
  }

  /** Stops the worker at once; calls under way fail with `reason`. Idempotent. */
  async close(reason = new TransferKitError('disposed', 'the worker was closed')): Promise<void> {
    this.#end(reason);
    await this.#worker.terminate();
  }
}
