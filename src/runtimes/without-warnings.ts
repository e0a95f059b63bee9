/* eslint-disable no-console -- it is what this file is about */

/** What a quiet piece of work gave, and what it would have printed. */
export interface QuietResult<T> {
  readonly value: T;
  readonly warnings: readonly string[];
}

/**
 * Runs work with `console.warn` collected instead of printed: tfjs warns of kernels that are registered twice and of backends
 * that fail to start, where we have a better place to tell.
 */
export async function withoutWarnings<T>(work: () => Promise<T>): Promise<QuietResult<T>> {
  const { warn } = console;
  const warnings: string[] = [];
  console.warn = (...parts: unknown[]) => void warnings.push(parts.map(String).join(' '));
  try {
    return { value: await work(), warnings };
  } finally {
    console.warn = warn;
  }
}
