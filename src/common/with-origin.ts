import { TransferKitError } from '../errors.js';

/**
 * The same error, with the checkpoint named: layers, tokenizers and recipes complain of what is wrong and do not know where it
 * came from. Anything else than a TransferKitError is given back as it is.
 */
export function withOrigin(error: unknown, origin: string): unknown {
  if (!TransferKitError.isInstance(error) || error.message.includes(origin)) return error;
  const { code, message, details, retryable } = error;
  const told = `${message.slice(code.length + 2)}\n  Where: ${origin}`;
  return new TransferKitError(code, told, { details: { ...details, origin }, retryable, cause: error });
}
