import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { systemCode } from '../storage-error.js';
import { onDisk } from './cache-entry.js';
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
  await onDisk('write', path, () => mkdir(dirname(path), { recursive: true }));
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

/** Removes the lock of a holder that is gone. True when there may be no lock now. */
async function removeStale(path: string): Promise<boolean> {
  const content = await contentOf(path);
  if (content === undefined) return true;
  if (!(await isStale(path, content))) return false;
  // Renamed first: of several that find it stale one gets it, and what it got can still be looked at.
  const grave = `${path}.${randomUUID()}`;
  try {
    await rename(path, grave);
  } catch {
    return true;
  }
  if ((await contentOf(grave)) !== content) await link(grave, path).catch(() => undefined);
  await rm(grave, { force: true });
  return true;
}

async function isStale(path: string, content: string): Promise<boolean> {
  const age = await stat(path).then(({ mtimeMs }) => Date.now() - mtimeMs, () => 0);
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

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0); // signal 0 asks, and sends nothing
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}
