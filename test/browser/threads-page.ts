import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { bert } from '../../src/backbones/bert.js';
import { configureWeb, runtime } from '../../src/runtimes/web.js';
import { check } from '../../src/testing/conformance.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';
import { registerPage } from './register-page.js';
import { roundCases } from './rounds.js';

/** A page that may use threads, bundled where tfjs-backend-webgl is not installed. */
registerPage([
  {
    name: 'without tfjs-backend-webgl wasm is chosen, and the reason told',
    run: async () => {
      check(crossOriginIsolated, 'the page may not use threads');
      configureWeb({ wasmPaths: '/wasm/' });
      const { backend, trials } = await runtime.chooseBackend();
      check(backend === 'wasm', runtime.describe());
      check(trials[0]?.reason === 'tfjs-backend-webgl not installed', JSON.stringify(trials));
      check(
        performance.getEntriesByType('resource').some(({ name }) => name.endsWith('threaded-simd.wasm')),
        'the build with threads was not loaded',
      );
    },
  },
  {
    name: 'a backend that is not installed names the line that installs it',
    run: async () => {
      await expectFailure(() => runtime.chooseBackend('webgl'), 'missing-package', 'npm install @tensorflow/tfjs-backend-webgl');
    },
  },
  ...roundCases([mobilenetV2, bert], runtime, ['wasm']),
]);
