import { runtime } from '../../src/runtimes/web.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { configureWeb } from '../../src/runtimes/web.js';
import { check } from '../../src/testing/conformance.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';
import { tinyBase } from '../../src/testing/tiny-model.js';
import { engineCases, fetchedOfOrt } from './engine-cases.js';
import { registerPage } from './register-page.js';

const family = mobilenetV2 as never;

configureWeb({ wasmPaths: '/wasm/' });

/** A page that is not isolated from other sites, and has no graphics card. */
registerPage([
  {
    name: 'nothing of onnxruntime-web is fetched while tfjs computes',
    run: async () => {
      await runtime.chooseBackend('webgl');
      using base = await tinyBase(family, runtime);
      check(base.engine.name === 'eager', base.describe());
      check(base.describe().includes('computed by tfjs (webgl): it does not compute on the processor'), base.describe());
      check(fetchedOfOrt().length === 0, fetchedOfOrt().join());
    },
  },
  {
    name: 'where tfjs would compute on the processor ONNX Runtime does, and says with what',
    run: async () => {
      await runtime.chooseBackend('cpu');
      using base = await tinyBase(family, runtime);
      check(base.engine.name === 'onnx', base.describe());
      const words = ', 1 thread (more where the page is cross-origin isolated); not on WebGPU: the processor would stand in';
      check(/computed by onnxruntime-web 1\.\d+\.\d+/.test(base.describe()) && base.describe().includes(words), base.describe());
      check(runtime.describe().includes('; onnxruntime-web 1.'), runtime.describe());
      const wasm = fetchedOfOrt().filter((name) => name.endsWith('.wasm'));
      check(wasm.join() === 'ort-wasm-simd-threaded.wasm', wasm.join());
    },
  },
  {
    name: 'without isolation there is one thread, whatever is asked for',
    run: async () => {
      using base = await tinyBase(family, runtime, 3, { threads: 4 });
      check(base.describe().includes('1 thread (more where'), base.describe());
    },
  },
  {
    name: 'an own copy that would hand its arrays to another thread is refused',
    run: async () => {
      const onnxRuntime = await import('onnxruntime-web/wasm');
      onnxRuntime.env.wasm.proxy = true;
      await expectFailure(
        () => tinyBase(family, runtime, 3, { onnxRuntime }),
        'bad-option',
        'env.wasm.proxy is on',
        'leave env.wasm.proxy off',
      );
      onnxRuntime.env.wasm.proxy = false;
    },
  },
  {
    name: 'beside wasm, which is as fast, it is taken only where it is asked for',
    run: async () => {
      await runtime.chooseBackend('wasm');
      using base = await tinyBase(family, runtime);
      check(base.engine.name === 'eager', base.describe());
      const words = /computed by tfjs \(wasm\): onnxruntime-web [\d.]+ is no faster on a processor; not on WebGPU: the processor would/;
      check(words.test(base.describe()), base.describe());
    },
  },
  ...engineCases(runtime, [
    { backend: 'wasm', family: 'mobilenetV2', epochs: 4, words: ['1 thread'] },
    { backend: 'wasm', family: 'bert', epochs: 4, words: ['1 thread'] },
    { backend: 'webgl', family: 'mobilenetV2', epochs: 1, words: ['1 thread'] },
    { backend: 'webgl', family: 'bert', epochs: 1, words: ['1 thread'] },
  ]),
]);
