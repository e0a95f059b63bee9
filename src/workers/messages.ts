/** What crosses between a thread and its worker: calls one way, answers and news the other. */
import type { PlainError } from './plain-error.js';

/** A method of the worker that is to be called. */
export interface CallMessage {
  readonly id: number;
  readonly method: string;
  readonly argument: unknown;
}

/** What became of a call. */
export type AnswerMessage = { readonly id: number; readonly value: unknown } | { readonly id: number; readonly error: PlainError };

/** Something that a worker tells while a call is under way. */
export interface NewsMessage {
  readonly news: unknown;
}

/** What a method gives: a value, and the buffers in it that are handed over instead of copied. */
export interface MethodResult {
  readonly value: unknown;
  readonly transfer?: readonly ArrayBuffer[];
}

/** One method of a worker. */
export type WorkerMethod = (argument: never, tell: (news: unknown) => void) => Promise<MethodResult> | MethodResult;
