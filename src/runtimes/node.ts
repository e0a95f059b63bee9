import type { Runtime } from './runtime.js';
import { appendFile } from './node/append-file.js';
import { backends } from './node/backends.js';
import { cacheFolder } from './node/cache-folder.js';
import { download } from './node/download.js';
import { joinPath, listFolder, openFile, sha256 } from './node/files.js';
import { decodeImage, encodeImage } from './node/images.js';
import { onnxLoader } from './node/onnx-runtime.js';
import { progress } from './node/progress.js';
import { openRecords } from './node/records.js';
import { spawner, spawnWorker } from './node/workers.js';
import { tryLock } from './node/try-lock.js';
import { remove, writeFile } from './node/write-file.js';
import { writeFolder } from './node/write-folder.js';

/**
 * Node: tfjs-node, wasm or cpu; files of the disk; pictures through sharp; downloads kept in a folder.
 *
 * @example
 * ```ts
 * import { runtime } from 'transferkit/node';
 *
 * await runtime.chooseBackend();
 * console.log(runtime.describe()); // wasm (SIMD) on Node 20.20.2; tfjs-node not installed
 * ```
 */
export const runtime: Runtime = Object.freeze<Runtime>({
  name: 'node',
  chooseBackend: (wanted) => backends.chooseBackend(wanted),
  describe: () => [backends.describe(), onnxLoader.describe()].filter(Boolean).join('; '),
  loadOnnxRuntime: (request) => onnxLoader.load(request),
  memory: () => backends.memory(),
  openFile,
  listFolder,
  joinPath,
  writeFolder,
  writeFile,
  appendFile,
  remove,
  tryLock,
  openRecords,
  cacheFolder,
  decodeImage,
  encodeImage,
  download,
  sha256,
  environment: (name) => process.env[name],
  progress: (title) => progress(title),
  spawnWorker,
  spawner,
});
