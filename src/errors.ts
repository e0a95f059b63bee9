/** What can go wrong, as a machine reads it. Each code has one meaning and is safe to branch on. */
export type TransferKitErrorCode =
  | 'aborted' // the caller's AbortSignal fired before there was anything to give back
  | 'bad-config' // a checkpoint's or a saved model's configuration is missing, broken or not supported
  | 'bad-data' // the examples cannot serve: empty, one class only, a missing column, an unknown label
  | 'bad-input' // one photo, text or tensor cannot be used
  | 'bad-option' // an option that does not exist, does not fit or is out of range
  | 'corrupt-file' // bytes that are not what they claim to be
  | 'disposed' // a handle was used after dispose()
  | 'diverged' // the loss became NaN or infinite
  | 'missing-package' // an optional package is needed and cannot be imported
  | 'network' // a server could not be reached, cut the connection or answered with an error
  | 'not-found' // a file, folder, repository or revision does not exist
  | 'nothing-to-train' // every weight is frozen
  | 'offline' // the network is needed and `offline` forbids it
  | 'out-of-memory' // what is to be computed does not fit into the memory of the backend
  | 'storage' // a disk or cache is full, read-only or refuses to be written
  | 'too-large' // an input is over a stated cap
  | 'unauthorized' // a server asks for a token, or refuses the one it got
  | 'unknown-name' // no backbone, source, head or backend has this name
  | 'unsupported' // the thing is understood, and this build cannot do it
  | 'weight-mismatch' // tensors of a checkpoint do not fit the model
  | 'worker-ended'; // a worker thread ended in the middle of its work

/** What an error may carry beside its message. */
export interface TransferKitErrorOptions {
  /** The facts behind the message, for programs. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** The error this one was made from. */
  readonly cause?: unknown;
  /** True when the same call may succeed later: a cut connection, a busy server. */
  readonly retryable?: boolean;
}

const brand = Symbol.for('transferkit.error');

/**
 * The one error class of TransferKit. The message says what happened, where, what was expected and received, and how to fix it.
 *
 * @example
 * ```ts
 * import { loadPretrained, TransferKitError } from 'transferkit';
 *
 * try {
 *   await loadPretrained('./no-such-folder');
 * } catch (error) {
 *   if (!TransferKitError.isInstance(error)) throw error;
 *   console.log(error.code); // 'not-found'
 * }
 * ```
 */
export class TransferKitError extends Error {
  override readonly name = 'TransferKitError';
  readonly code: TransferKitErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;

  constructor(code: TransferKitErrorCode, message: string, options: TransferKitErrorOptions = {}) {
    super(`${code}: ${message}`, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.retryable = options.retryable ?? false;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Tells whether a value is a TransferKitError, also when it was thrown by another copy of the package. */
  static isInstance(value: unknown): value is TransferKitError {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
