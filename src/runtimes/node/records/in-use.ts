import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { tryLock } from '../try-lock.js';

const prefix = '.in-use-';

/** Says in a folder that this program uses it. @returns what takes the mark away again; does nothing where none could be made */
export async function markInUse(folder: string): Promise<() => Promise<void>> {
  try {
    const lock = await tryLock(join(folder, prefix + randomUUID()));
    return lock.taken ? () => lock.release() : () => Promise.resolve();
  } catch {
    return () => Promise.resolve(); // a cache that may only be read
  }
}

/** Whether a program that lives uses a folder. Marks of programs that were killed are cleared away. */
export async function isInUse(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((each) => each.startsWith(prefix))) {
    const attempt = await tryLock(join(folder, name)).catch(() => ({ taken: false as const }));
    if (!attempt.taken) return true;
    await attempt.release();
  }
  return false;
}
