import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parentPort, Worker } from 'node:worker_threads';
import { TransferKitError } from '../../errors.js';
import type { MessageLine, SpawnedWorker } from '../runtime.js';

/** The folder above a file that holds another file; undefined where none does. */
function folderWith(name: string, path: string): string | undefined {
  const folder = dirname(path);
  if (existsSync(join(folder, name))) return folder;
  return folder === path ? undefined : folderWith(name, folder);
}

/**
 * A program that runs a TypeScript module by tsx. Only this repository's own tests and programs run from TypeScript; what is
 * published is JavaScript.
 */
function typeScriptProgram(path: string): string {
  const tsx = join(dirname(createRequire(path).resolve('tsx/package.json')), 'dist/esm/api/index.mjs');
  const project = folderWith('tsconfig.json', path);
  const settings = project === undefined ? {} : { tsconfig: join(project, 'tsconfig.json') };
  return `import(${JSON.stringify(pathToFileURL(tsx).href)}).then(({ register }) => {
    register(${JSON.stringify(settings)});
    return import(${JSON.stringify(pathToFileURL(path).href)});
  });`;
}

/** The file of a module; in this repository it may still be TypeScript, which imports name by its later ending as well. */
function fileOf(module: URL): string {
  const path = fileURLToPath(module);
  const found = [path, path.replace(/\.js$/, '.ts')].find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new TransferKitError(
    'not-found',
    `the module that a worker is to run does not exist: "${path}".\n  Likely cause: a bundler put the program into one file and left this one out.\n  Fix: keep transferkit out of the bundle (mark it as external).`,
    { details: { path } },
  );
}

function start(module: URL): Worker {
  const path = fileOf(module);
  // Flags of the process are not the worker's: some of them, such as --input-type, would even keep it from starting.
  if (path.endsWith('.ts')) return new Worker(typeScriptProgram(path), { eval: true, execArgv: [] });
  return new Worker(path, { execArgv: [] });
}

/** Runs a module in a thread of `node:worker_threads`; see `Runtime.spawnWorker`. */
export function spawnWorker(module: URL): SpawnedWorker {
  const worker = start(module);
  let ended = false;
  let fail: (error: Error) => void = () => undefined;
  const end = (error: Error): void => {
    if (ended) return;
    ended = true;
    fail(error);
  };
  worker.on('error', (thrown: unknown) => end(thrown instanceof Error ? thrown : new Error(String(thrown))));
  worker.on('messageerror', end);
  worker.on('exit', (code) => end(new Error(`it exited with code ${code}`)));
  return {
    postMessage: (message, transfer = []) => worker.postMessage(message, transfer),
    onMessage: (listener) => void worker.on('message', listener),
    onError: (listener) => void (fail = listener),
    async terminate() {
      ended = true;
      await worker.terminate();
    },
  };
}

/** The line to the thread that spawned this one; see `Runtime.spawner`. */
export function spawner(): MessageLine | undefined {
  const port = parentPort;
  if (port === null) return undefined;
  return {
    postMessage: (message, transfer = []) => port.postMessage(message, transfer),
    onMessage: (listener) => void port.on('message', listener),
  };
}
