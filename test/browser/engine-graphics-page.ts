import { configureWeb, runtime } from '../../src/runtimes/web.js';
import { engineCases } from './engine-cases.js';
import { registerPage } from './register-page.js';

interface Gpu {
  requestAdapter(options?: object): Promise<{ info: object } | null>;
}

/** Passes the adapter that computes in software off as a graphics card: all else of it is WebGPU as it is. */
const { gpu } = navigator as unknown as { gpu: Gpu };
const requestAdapter = gpu.requestAdapter.bind(gpu);
gpu.requestAdapter = async (options) => {
  const adapter = await requestAdapter(options);
  if (adapter === null) return null;
  const { info } = adapter;
  const asCard = new Proxy(info, { get: (target, name) => name !== 'isFallbackAdapter' && (Reflect.get(target, name) as unknown) });
  Object.defineProperty(adapter, 'info', { value: asCard });
  return adapter;
};

configureWeb({ wasmPaths: '/wasm/' });

const words = ['1 thread', 'what does not learn by onnxruntime-web 1.', 'on WebGPU'];

/** A page with a graphics card that WebGPU can use: what does not learn is computed there. */
registerPage(
  engineCases(runtime, [
    { backend: 'wasm', family: 'mobilenetV2', words },
    { backend: 'wasm', family: 'bert', epochs: 1, words },
  ]),
);
