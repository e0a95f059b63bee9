import { TransferKitError, type TransferKitErrorCode } from '../errors.js';

/** An error as it crosses between threads: a class does not survive the way. */
export interface PlainError {
  /** Absent for an error that is none of ours. */
  readonly code?: TransferKitErrorCode;
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly retryable?: boolean;
  readonly cause?: PlainError;
}

/** Only what can be copied: facts that a function or a handle hides in are left out. */
function copyable(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(details).flatMap(([name, value]) => {
    try {
      return [[name, structuredClone(value)] as const];
    } catch {
      return [];
    }
  });
  return Object.fromEntries(entries);
}

/** Takes an error apart, with its causes. */
export function toPlainError(error: unknown): PlainError {
  if (!(error instanceof Error) && !TransferKitError.isInstance(error)) return { name: 'Error', message: String(error) };
  const { name, message, stack } = error;
  const cause = error.cause === undefined ? {} : { cause: toPlainError(error.cause) };
  const plain = { name, message, ...(stack === undefined ? {} : { stack }), ...cause };
  if (!TransferKitError.isInstance(error)) return plain;
  const { code, details, retryable } = error;
  return { ...plain, code, details: copyable(details), retryable };
}

/** Puts an error together again: of our class where it was, with code, details and causes. */
export function fromPlainError({ code, name, message, stack, details, retryable, cause }: PlainError): Error {
  const from = cause === undefined ? {} : { cause: fromPlainError(cause) };
  if (code !== undefined) {
    const own = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
    return new TransferKitError(code, own, { details: details ?? {}, retryable: retryable ?? false, ...from });
  }
  const error = Object.assign(new Error(message, from), { name });
  if (stack !== undefined) error.stack = stack; // where it happened is in the worker
  return error;
}
