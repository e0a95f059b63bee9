import { bert } from '../../src/backbones/bert.js';
import { configureWeb, runtime } from '../../src/runtimes/web.js';
import { check } from '../../src/testing/conformance.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';
import { tinyBase, tinySamples } from '../../src/testing/tiny-model.js';
import { engineCases, fetchedOfOrt } from './engine-cases.js';
import { registerPage } from './register-page.js';

const family = bert as never;
const { input } = tinySamples(family).items[0]!;

const threads = `, ${navigator.hardwareConcurrency} thread`;

configureWeb({ wasmPaths: '/wasm/' });

const program = 'engine-in-a-worker';

/** What a base embeds where tfjs would compute in plain JavaScript, and what computes it. */
async function embedded(): Promise<{ values: number[]; words: string }> {
  await runtime.chooseBackend('cpu');
  using base = await tinyBase(family, runtime);
  return { values: Array.from((await base.embed(input)).values), words: base.describe() };
}

/** The same in a Web Worker that runs this program. */
async function embeddedInWorker(): ReturnType<typeof embedded> {
  const worker = new Worker(new URL('page.js', location.href), { type: 'module', name: program });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<Awaited<ReturnType<typeof embedded>> | string>) =>
        typeof data === 'string' ? reject(new Error(data)) : resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  } finally {
    worker.terminate();
  }
}

if (self.name === program) embedded().then(postMessage, (error: unknown) => postMessage(String(error)));

/** A page that may use threads. */
registerPage([
  {
    name: 'the own copy is used as it was set up: with files elsewhere, and threads of its own',
    run: async () => {
      check(crossOriginIsolated, 'the page may not use threads');
      await runtime.chooseBackend('wasm');
      const onnxRuntime = await import('onnxruntime-web/webgpu');
      onnxRuntime.env.wasm.wasmPaths = { wasm: '/ort/ort-wasm-simd-threaded.asyncify.wasm' };
      onnxRuntime.env.wasm.numThreads = 1;
      using base = await tinyBase(family, runtime, 3, { onnxRuntime });
      const { values } = await base.embed(input);
      check(values.every(Number.isFinite), 'what it embeds are no numbers');
      check(base.describe().includes(', 1 thread;'), base.describe());
      const wasm = fetchedOfOrt().filter((name) => name.endsWith('.wasm'));
      check(wasm.join() === 'ort-wasm-simd-threaded.asyncify.wasm', wasm.join());
    },
  },
  ...engineCases(runtime, [
    { backend: 'wasm', family: 'mobilenetV2', epochs: 1, words: [threads, 'not on WebGPU: the processor'] },
    { backend: 'wasm', family: 'bert', epochs: 4, words: [threads] },
  ]),
  {
    name: 'a Web Worker of the page computes the same, with threads of its own',
    run: async () => {
      const [there, here] = [await embeddedInWorker(), await embedded()];
      check(there.words.includes(`computed by onnxruntime-web`) && there.words.includes(threads), there.words);
      check(JSON.stringify(there.values) === JSON.stringify(here.values), 'it computes other numbers');
    },
  },
  {
    name: 'the number of threads is one for the whole page',
    run: async () => {
      const now = navigator.hardwareConcurrency;
      using base = await tinyBase(family, runtime, 3, { threads: now });
      check(base.parts.engine.threads === now, base.describe());
      const ask = () => tinyBase(family, runtime, 3, { threads: now + 1 });
      await expectFailure(ask, 'bad-option', `ONNX Runtime has ${now} thread`, `Received: threads: ${now + 1}`);
    },
  },
]);
