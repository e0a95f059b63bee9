import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { isAlive } from '../is-alive.js';
import { systemCode } from '../storage-error.js';
import { makeFolder, onDisk } from './cache-entry.js';
import { pause } from './pause.js';

/** A lock that is held; the file says by whom. */
export interface FileLock {
  release(): Promise<void>;
}

const heartbeatMs = 5_000;
/** A holder on this machine is known to live or not; one elsewhere counts as gone after this long without a heartbeat. */
const silenceMs = 60_000;
const pollMs = 100;

/**
 * Takes a lock that other processes and other calls of this one respect, waiting as long as its holder lives.
 * @throws TransferKitError `storage` when the lock cannot be written, `aborted` while waiting.
 */
export async function acquireLock(path: string, signal?: AbortSignal): Promise<FileLock> {
  const content = JSON.stringify({ host: hostname(), pid: process.pid, id: randomUUID() });
  await onDisk('write', path, () => makeFolder(dirname(path)));
  while (!(await tryCreate(path, content))) {
    if (!(await removeStale(path))) await pause(pollMs, signal);
  }
  const heartbeat = setInterval(() => void touch(path), heartbeatMs).unref();
  return {
    async release() {
      clearInterval(heartbeat);
      if ((await contentOf(path)) === content) await rm(path, { force: true });
    },
  };
}

/** Whether somebody who lives holds a lock. */
export const isLockHeld = async (path: string): Promise<boolean> => (await contentOf(path)) !== undefined && !(await isStale(path));

const tryCreate = (path: string, content: string): Promise<boolean> =>
  onDisk('write', path, () =>
    writeFile(path, content, { flag: 'wx' }).then(
      () => true,
      (error: unknown) => {
        if (systemCode(error) === 'EEXIST') return false;
        throw error;
      },
    ),
  );

const contentOf = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

const touch = (path: string): Promise<void> => utimes(path, new Date(), new Date()).catch(() => undefined);

/**
 * Removes the lock of a holder that is gone. True when it is worth trying again at once.
 *
 * Only who has the second lock may remove the first, and looks at it again once he has it. Else of two that found it stale the
 * slower one would remove the fresh lock of the faster one.
 */
async function removeStale(path: string): Promise<boolean> {
  if (!(await isStale(path))) return false;
  const guard = `${path}-guard`;
  if (!(await tryCreate(guard, String(process.pid)))) {
    if ((await ageOf(guard)) > silenceMs) await rm(guard, { force: true }); // its holder died within these few lines
    return false;
  }
  try {
    if (await isStale(path)) await rm(path, { force: true });
    return true;
  } finally {
    await rm(guard, { force: true });
  }
}

/** Milliseconds since the last heartbeat; 0 when there is no lock. */
const ageOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );

async function isStale(path: string): Promise<boolean> {
  const content = await contentOf(path);
  if (content === undefined) return false;
  const age = await ageOf(path);
  if (age > silenceMs) return true;
  const holder = parseHolder(content);
  // A file that is just being written is still empty: its holder gets a heartbeat's time to finish.
  if (holder === undefined) return age > heartbeatMs;
  return holder.host === hostname() && !isAlive(holder.pid);
}

function parseHolder(content: string): { host: unknown; pid: number } | undefined {
  try {
    const { host, pid } = JSON.parse(content) as { host?: unknown; pid?: unknown };
    return typeof pid === 'number' && Number.isInteger(pid) && pid > 0 ? { host, pid } : undefined;
  } catch {
    return undefined;
  }
}
