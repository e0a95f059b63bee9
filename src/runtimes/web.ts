import type { Runtime } from './runtime.js';
import { backends } from './web/backends.js';
import { remove, tryLock, writeFile } from './web/change-files.js';
import { download } from './web/download.js';
import { joinPath, listFolder, openFile, sha256 } from './web/files.js';
import { decodeImage, encodeImage } from './web/images.js';
import { onnxLoader } from './web/onnx-runtime.js';
import { setPaths, type WasmPaths } from './web/wasm-paths.js';
import { writeFolder } from './web/write-folder.js';

export type { WasmFile, WasmPaths } from './web/wasm-paths.js';

/** What only the page can know. */
export interface WebOptions {
  /**
   * Where the `.wasm` files of `@tensorflow/tfjs-backend-wasm` are served: the address of the folder, or of each file by name.
   * They lie in its `dist` folder; copy them to your site's static files.
   */
  readonly wasmPaths?: WasmPaths;
}

/**
 * Tells the web runtime what only the page can know. Call it before the first model is loaded.
 *
 * @throws TransferKitError `bad-option` when the wasm backend has already started.
 * @example
 * ```ts
 * import { configureWeb } from 'transferkit/web';
 *
 * configureWeb({ wasmPaths: '/static/tfjs-wasm/' });
 * ```
 */
export function configureWeb({ wasmPaths }: WebOptions): void {
  if (wasmPaths !== undefined) setPaths(wasmPaths);
}

/**
 * A browser: webgl, wasm or cpu; web addresses and the site's private file system; pictures through the browser's own decoder;
 * downloads kept in the site's cache.
 *
 * @example
 * ```ts
 * import { runtime } from 'transferkit/web';
 *
 * await runtime.chooseBackend();
 * console.log(runtime.describe()); // webgl on the web
 * ```
 */
export const runtime: Runtime = Object.freeze<Runtime>({
  name: 'web',
  chooseBackend: (wanted) => backends.chooseBackend(wanted),
  describe: () => [backends.describe(), onnxLoader.describe()].filter(Boolean).join('; '),
  loadOnnxRuntime: (request) => onnxLoader.load(request),
  memory: () => backends.memory(),
  openFile,
  listFolder,
  joinPath,
  writeFolder,
  writeFile,
  remove,
  tryLock,
  decodeImage,
  encodeImage,
  download,
  sha256,
  environment: () => undefined,
  progress: () => undefined,
});
