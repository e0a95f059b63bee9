import type { Runtime } from '../runtimes/runtime.js';
import { check, type ConformanceCase } from './conformance.js';

const bytes = (words: string): Uint8Array => new TextEncoder().encode(words);

async function read(runtime: Runtime, path: string): Promise<string | undefined> {
  const file = await runtime.openFile(path);
  return file && new TextDecoder().decode(await file.read(0, file.size));
}

async function filesAreReplaced(runtime: Runtime, folder: string): Promise<void> {
  const path = runtime.joinPath(folder, 'changing', 'file.json');
  await runtime.writeFile!(path, bytes('first, and longer'));
  await runtime.writeFile!(path, bytes('second'));
  check((await read(runtime, path)) === 'second', `a file that was written again holds ${await read(runtime, path)}`);
  const names = (await runtime.listFolder(runtime.joinPath(folder, 'changing')))?.map((entry) => entry.name);
  check(names?.join() === 'file.json', `temporary files were left: ${names?.join(', ')}`);
}

async function filesAreRemoved(runtime: Runtime, folder: string): Promise<void> {
  const path = runtime.joinPath(folder, 'removed');
  await runtime.writeFolder(path, new Map([['a/b.txt', bytes('b')]]));
  await runtime.remove!(path);
  await runtime.remove!(path);
  await runtime.remove!(runtime.joinPath(folder, 'never', 'there'));
  check((await runtime.listFolder(path)) === undefined, 'a folder that was removed is still there');
}

async function filesGrow(runtime: Runtime, folder: string): Promise<void> {
  const path = runtime.joinPath(folder, 'growing', 'file.log');
  for (const words of ['one', 'two']) await runtime.appendFile!(path, bytes(words));
  await runtime.appendFile!(path, bytes('2'), 3);
  check((await read(runtime, path)) === 'one2', `a file that grew holds ${await read(runtime, path)}`);
  await runtime.remove!(runtime.joinPath(folder, 'growing'));
}

async function locksExclude(runtime: Runtime, folder: string): Promise<void> {
  const path = runtime.joinPath(folder, 'locked', 'lock');
  for (let round = 0; round < 2; round++) {
    const first = await runtime.tryLock!(path);
    const second = await runtime.tryLock!(path);
    check(first.taken && !second.taken, 'a lock was given twice, or never');
    check(second.taken || second.holder !== '', 'nobody says who has the lock');
    if (first.taken) await first.release();
  }
}

/** The cases of what a runtime may have: files that are replaced, removed, grow and are locked. */
export function fileCases(runtime: Runtime, folder: string): ConformanceCase[] {
  const cases: readonly (readonly [keyof Runtime, string, typeof filesAreReplaced])[] = [
    ['writeFile', 'files are replaced whole', filesAreReplaced],
    ['remove', 'files and folders are removed', filesAreRemoved],
    ['appendFile', 'files grow and are cut', filesGrow],
    ['tryLock', 'locks are had by one', locksExclude],
  ];
  return cases.flatMap(([member, name, run]) => (runtime[member] === undefined ? [] : [{ name, run: () => run(runtime, folder) }]));
}
