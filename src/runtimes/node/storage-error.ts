import { TransferKitError } from '../../errors.js';

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the disk is read-only',
  EACCES: 'permission is denied',
  EPERM: 'the operation is not permitted',
  EMFILE: 'too many files are open',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder',
  EEXIST: 'something is in the way, such as a file in the place of a folder',
};

/** The code of a system error (`ENOENT`), or undefined for any other value. */
export function systemCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** True when a system error means that there is nothing at the path. */
export const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '');

/** A `storage` error from a system error: what was tried, where, and why it failed. */
export function storageError(action: string, path: string, error: unknown): TransferKitError {
  const code = systemCode(error);
  const reason = code === undefined ? String(error) : `${reasons[code] ?? 'the system refused'} (${code})`;
  return new TransferKitError(
    'storage',
    `cannot ${action} "${path}": ${reason}.\n  Fix: free space or choose another place that may be used.`,
    {
      details: { path, systemCode: code },
      cause: error,
    },
  );
}
