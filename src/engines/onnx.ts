import { TransferKitError } from '../errors.js';
import { eager } from './eager.js';
import type { CompiledFunction, Engine, TensorFunction } from './engine.js';
import { OnnxFunction } from './onnx/onnx-function.js';
import type { LoadedOnnxRuntime } from './onnx/onnx-runtime.js';
import { StateStore } from './onnx/state-store.js';

export { proveRuntime } from './onnx/prove-runtime.js';

/**
 * An engine that records functions as ONNX graphs and lets ONNX Runtime run them. A function that a graph cannot hold is run by the eager
 * engine instead.
 * @param onNote is told once of each function that is run eagerly, and why
 * @param stateless runs functions without state, where that is another
 */
export function createOnnxEngine(
  loaded: LoadedOnnxRuntime,
  onNote: (note: string) => void = () => undefined,
  stateless: LoadedOnnxRuntime = loaded,
): Engine {
  const store = new StateStore(loaded.runtime);
  const settle: Engine['settle'] = (variables) => store.settle(variables);
  return {
    name: 'onnx',
    compiles: true,
    compile: (source) => {
      const ort = (source.state ?? []).length === 0 ? stateless : loaded;
      return withFallback(source, new OnnxFunction(source, ort, store), settle, onNote);
    },
    settle,
    forget: (variables) => store.forget(variables),
  };
}

/** Goes over to the eager engine where recording fails. */
function withFallback(
  source: TensorFunction,
  compiled: CompiledFunction,
  settle: Engine['settle'],
  onNote: (note: string) => void,
): CompiledFunction {
  let eagerly: CompiledFunction | undefined;
  const variables = (source.state ?? []).map(({ variable }) => variable);
  return {
    async run(inputs, random) {
      try {
        if (eagerly === undefined) return await compiled.run(inputs, random);
      } catch (error) {
        if (!TransferKitError.isInstance(error) || error.code !== 'unsupported') throw error;
        const [reason] = error.message.slice(error.code.length + 2).split('\n');
        onNote(`"${source.name}" is computed by tfjs: ${reason}`);
        compiled.dispose();
        eagerly = eager.compile(source);
      }
      settle(variables); // another function may have written them
      return eagerly.run(inputs, random);
    },
    dispose: () => (eagerly ?? compiled).dispose(),
  };
}
