/** ONNX Runtime with its sessions counted, told by what they compute, and with its tensors watched. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { OnnxRuntime, OrtSession } from '../../src/engines/onnx/onnx-runtime.js';
import { loaded } from './with-onnx-runtime.js';

/** A session that was made. */
export interface MadeSession {
  /** What the graph is called: `training step`. */
  readonly name: string;
  /** The graph as it was handed over. */
  readonly model: Uint8Array;
  readonly isOpen: boolean;
}

/** The package, to be given as `onnxRuntime`, and what was done with it. */
export interface CountedRuntime {
  readonly onnxRuntime: OnnxRuntime;
  readonly made: readonly MadeSession[];
  /** Names of the sessions that are open. */
  open(): string[];
  /** How many tensors are still held by somebody, after what is garbage was collected. */
  tensors(): Promise<number>;
}

const names = ['training step', 'gathering step', 'move', 'moving average', 'validation'];

/** The name of a graph is written in it; any other than those of a training is that of a network. */
const nameOf = (model: Uint8Array): string => {
  const text = Buffer.from(model.buffer, model.byteOffset, model.byteLength);
  const start = Buffer.from([0x12]); // field 2 of a graph: its name, with its length before it
  return names.find((name) => text.includes(Buffer.concat([start, Buffer.from([name.length]), Buffer.from(name)]))) ?? 'network';
};

/** Collects garbage. Node lets a program ask for it when a flag is set. */
function collect(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

export function countedRuntime(): CountedRuntime {
  const made: (MadeSession & { isOpen: boolean })[] = [];
  const tensors: WeakRef<object>[] = [];
  const watched = (session: OrtSession, entry: { isOpen: boolean }): OrtSession =>
    new Proxy(session, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (name !== 'release') return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
        return async () => {
          entry.isOpen = false;
          await target.release();
        };
      },
    });
  const create: OnnxRuntime['InferenceSession']['create'] = async (model, options) => {
    const entry = { name: nameOf(model), model: model.slice(), isOpen: true };
    const session = await loaded.runtime.InferenceSession.create(model, options);
    made.push(entry);
    return watched(session, entry);
  };
  const Tensor = new Proxy(loaded.runtime.Tensor, {
    construct(target, request) {
      const tensor = Reflect.construct(target, request) as object;
      tensors.push(new WeakRef(tensor));
      return tensor;
    },
  });
  return {
    onnxRuntime: { Tensor, env: loaded.runtime.env, InferenceSession: { create } },
    made,
    open: () => made.filter(({ isOpen }) => isOpen).map(({ name }) => name),
    async tensors() {
      for (let round = 0; round < 3; round++) {
        await turn(); // what was reached in this turn of the loop stays until its end
        collect();
      }
      return tensors.filter((reference) => reference.deref() !== undefined).length;
    },
  };
}
