import * as tf from '@tensorflow/tfjs-core';
import { runtime as defaultRuntime } from '../../src/index.js';
import { bert } from '../../src/backbones/bert.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { configureWeb, runtime } from '../../src/runtimes/web.js';
import { check, type ConformanceCase } from '../../src/testing/conformance.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';
import { runtimeCases } from '../../src/testing/test-runtime.js';
import { downloadCases } from './downloads.js';
import { fileCases } from './files.js';
import { loadPicture, pictureCases } from './pictures.js';
import { registerPage } from './register-page.js';
import { roundCases } from './rounds.js';

const backends = ['cpu', 'wasm', 'webgl'];

/** In this order: once wasm runs, its files are no longer looked for. */
const wasmPathCases: readonly ConformanceCase[] = [
  {
    name: 'wasm says that it must be told where its files are',
    run: async () => {
      await expectFailure(() => runtime.chooseBackend('wasm'), 'unsupported', 'configureWeb({ wasmPaths })');
    },
  },
  {
    name: 'wasm files that are not there are named, and the right ones still serve afterwards',
    run: async () => {
      const wrong = async (wasmPaths: Parameters<typeof configureWeb>[0]['wasmPaths'], ...pieces: string[]): Promise<void> => {
        configureWeb({ wasmPaths: wasmPaths! });
        await expectFailure(() => runtime.chooseBackend('wasm'), 'unsupported', ...pieces);
      };
      await wrong('/nowhere', '/nowhere/tfjs-backend-wasm-simd.wasm', '404');
      await wrong('/application/', 'is a web page');
      await wrong('http://127.0.0.1:1/', 'could not be reached');
      await wrong({ 'tfjs-backend-wasm.wasm': '/wasm/x' } as never, 'says nothing of "tfjs-backend-wasm-simd.wasm"');
      configureWeb({ wasmPaths: '/wasm' });
      check((await runtime.chooseBackend('wasm')).backend === 'wasm', 'wasm does not start');
      await expectFailure(() => configureWeb({ wasmPaths: '/elsewhere' }), 'bad-option', 'after the wasm backend had started');
    },
  },
];

const thisPlace: ConformanceCase = {
  name: "import 'transferkit' takes the web runtime, which chooses webgl",
  run: async () => {
    check(defaultRuntime === runtime && runtime.name === 'web', 'another runtime was taken');
    check(runtime.describe() === 'no backend chosen yet on the web', runtime.describe());
    check((await runtime.chooseBackend()).backend === 'webgl', runtime.describe());
    check(runtime.environment('PATH') === undefined && runtime.progress('x') === undefined, 'a browser has no environment and no terminal');
    check(!tf.env().getBool('IS_NODE'), 'this is Node');
  },
};

const bytes = await loadPicture('rgb.jpg');
registerPage([
  thisPlace,
  ...wasmPathCases,
  ...runtimeCases(runtime, { folder: 'scratch', picture: { bytes, width: 67, height: 45 }, backends }),
  ...pictureCases,
  ...fileCases,
  ...downloadCases,
  ...roundCases([mobilenetV2, bert], runtime, backends),
]);
