import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, utimes, writeFile, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { LockAttempt } from '../runtime.js';
import { toPath } from './files.js';
import { isAlive } from './is-alive.js';
import { storageError, systemCode } from './storage-error.js';

const heartbeatMs = 5_000;
/** A holder on another machine counts as gone after this long without a heartbeat; one on this machine is asked for. */
const silenceMs = 60_000;

interface Holder {
  readonly host: string;
  readonly pid: number;
  /** When the process started, in the system's own measure; null where that cannot be told. */
  readonly started: string | null;
  readonly id: string;
}

/**
 * Start of a process, which tells it from a later one with the same number: in a container the first process is always 1.
 * Only Linux tells without another program.
 * @source proc(5): the 22nd field of /proc/<pid>/stat, counted behind the name in parentheses
 */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function parseHolder(content: string): Holder | undefined {
  try {
    const holder = JSON.parse(content) as Partial<Holder> | null;
    return typeof holder?.host === 'string' && Number.isInteger(holder.pid) && holder.pid! > 0 ? (holder as Holder) : undefined;
  } catch {
    return undefined;
  }
}

const ageOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );

async function isGone(holder: Holder | undefined, path: string): Promise<boolean> {
  if (holder === undefined) return (await ageOf(path)) > silenceMs;
  if (holder.host !== hostname()) return (await ageOf(path)) > silenceMs;
  if (!isAlive(holder.pid)) return true;
  const started = await startOf(holder.pid);
  return started !== null && holder.started !== null && started !== holder.started;
}

/** Makes the lock with its content in one step, so that no reader ever finds it empty. False where there is one. */
async function create(path: string, content: string): Promise<boolean> {
  const draft = join(dirname(path), `.lock-${randomUUID()}`);
  try {
    await writeFile(draft, content);
    await link(draft, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    return await createPlainly(path, content); // a file system without links
  } finally {
    await rm(draft, { force: true });
  }
}

async function createPlainly(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
}

const contentOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

/**
 * Takes over the lock of a holder that is gone. Who does so holds a second lock meanwhile and looks again: of two that found
 * the first one stale, the slower would else remove the fresh lock of the faster.
 */
async function takeOver(path: string, content: string): Promise<boolean> {
  const guard = `${path}-takeover`;
  if (!(await create(guard, content))) {
    if (await isGone(parseHolder(await contentOf(guard)), guard)) await rm(guard, { force: true });
    return false;
  }
  try {
    const found = await contentOf(path);
    if (found !== '' && !(await isGone(parseHolder(found), path))) return false;
    await rm(path, { force: true });
    return await create(path, content);
  } finally {
    await rm(guard, { force: true });
  }
}

function held(path: string, content: string): LockAttempt {
  const heartbeat = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), heartbeatMs).unref();
  return {
    taken: true,
    async release() {
      clearInterval(heartbeat);
      if ((await contentOf(path)) === content) await rm(path, { force: true });
    },
  };
}

/**
 * Takes a lock that other processes, and other calls of this one, respect; never waits. The lock of a process that was killed is
 * taken over.
 * @throws TransferKitError `storage` when the lock cannot be written
 */
export async function tryLock(location: string): Promise<LockAttempt> {
  const path = resolve(toPath(location));
  const holder: Holder = { host: hostname(), pid: process.pid, started: await startOf(process.pid), id: randomUUID() };
  const content = JSON.stringify(holder);
  try {
    await mkdir(dirname(path), { recursive: true });
    for (let round = 0; round < 2; round++) {
      if (await create(path, content)) return held(path, content);
      const other = parseHolder(await contentOf(path));
      if (!(await isGone(other, path))) return { taken: false, holder: other === undefined ? 'another process' : words(other) };
      if (await takeOver(path, content)) return held(path, content);
    }
    return { taken: false, holder: 'another process that takes it over just now' };
  } catch (error) {
    throw storageError('lock', path, error);
  }
}

const words = ({ host, pid }: Holder): string => `process ${pid} on ${host === hostname() ? 'this machine' : `the machine "${host}"`}`;
