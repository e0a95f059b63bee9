import * as tf from '@tensorflow/tfjs-core';
import { forgetTape } from '../engines/forget-tape.js';
import { TransferKitError } from '../errors.js';
import { GraphBuilder, notRecordable } from './graph-builder.js';
import { kernels } from './kernels/index.js';
import { isTracedType, type KnownNumbers, type Traced } from './traced.js';

/** The tfjs backend under which computations are recorded instead of run. */
export const recordingBackend = 'transferkit-recording';

type DataId = tf.TensorInfo['dataId'];

/** tfjs keeps to itself which backend has which data; recording has to read captured tensors where they are. */
interface TensorBooks {
  readonly state: { readonly tensorInfo: WeakMap<DataId, { readonly backend: tf.KernelBackend }> };
}

const backendOf = (dataId: DataId): tf.KernelBackend => (tf.engine() as unknown as TensorBooks).state.tensorInfo.get(dataId)!.backend;

/** Numbers that were read before a recording, by the data of their tensors. */
export type NumbersAhead = ReadonlyMap<object, ArrayLike<number>>;

/** Numbers of a captured tensor, read through the backend that has them, so that nothing is moved. */
function captured({ dataId, shape }: tf.TensorInfo, ahead: NumbersAhead): KnownNumbers {
  const backend = backendOf(dataId);
  return {
    identity: dataId,
    read: () => {
      try {
        return ahead.get(dataId) ?? (backend.readSync(dataId) as ArrayLike<number>);
      } catch (cause) {
        throw notRecordable(`a tensor [${shape.join(',')}] of a backend that cannot be read at once`, { needsReading: true }, cause);
      }
    },
  };
}

/** Whether an error says that numbers are to be read before the recording. */
export const needsReading = (error: unknown): boolean => TransferKitError.isInstance(error) && error.details['needsReading'] === true;

const uniform = (values: ArrayLike<number>): boolean => {
  for (let index = 1; index < values.length; index++) if (values[index] !== values[0]) return false;
  return values.length > 0;
};

/** One recording under way. */
export class Recording {
  readonly graph = new GraphBuilder();
  readonly #values = new WeakMap<DataId, Traced>();

  constructor(private readonly ahead: NumbersAhead = new Map()) {}

  /** Declares a value of the graph as the data of a new tensor. */
  register(traced: Traced): tf.TensorInfo {
    const dataId = {};
    this.#values.set(dataId, traced);
    return { dataId, shape: [...traced.shape], dtype: traced.type };
  }

  /** The value behind a tensor; a captured one becomes a constant. */
  traced(tensor: tf.TensorInfo): Traced {
    const own = this.#values.get(tensor.dataId);
    if (own !== undefined) return this.#inShape(own, tensor);
    if (!isTracedType(tensor.dtype)) throw notRecordable(`a tensor of type ${tensor.dtype}`);
    // not even a single number is looked at: on a graphics card that would wait for all that is under way
    return { shape: tensor.shape, type: tensor.dtype, names: new Map(), known: captured(tensor, this.ahead) };
  }

  /** tfjs gives a tensor another shape without asking the backend, where only ones come or go. */
  #inShape(own: Traced, { shape, dtype }: tf.TensorInfo): Traced {
    if (tf.util.arraysEqual([...own.shape], shape)) return own;
    if (own.fill !== undefined) return this.graph.filled(own.fill, shape, own.type);
    return this.graph.traced(this.graph.reshape(this.graph.name(own), shape), shape, dtype as Traced['type']);
  }

  /** Numbers that the function itself makes. */
  write(values: ArrayLike<number> | undefined, shape: number[], type: tf.DataType): tf.TensorInfo {
    if (!isTracedType(type)) throw notRecordable(`a tensor of type ${type}`);
    if (values === undefined) return this.register(this.graph.filled(0, shape, type));
    if (uniform(values)) return this.register(this.graph.filled(values[0]!, shape, type));
    const numbers = values;
    return this.register({ shape, type, names: new Map(), known: { identity: numbers, read: () => numbers } });
  }
}

let current: Recording | undefined;

/** The recording under way. */
const active = (): Recording => {
  if (current === undefined) throw new Error('nothing is being recorded');
  return current;
};

/** A tfjs backend that has no numbers: its kernels append nodes to a graph. */
class RecordingBackend extends tf.KernelBackend {
  /** Tensors of each value beyond the first: tfjs's own books go by what `disposeData` answers. */
  readonly #more = new WeakMap<object, number>();

  override write(values: tf.BackendValues, shape: number[], type: tf.DataType): object {
    return active().write(values as unknown as ArrayLike<number>, shape, type).dataId;
  }
  override move(dataId: object): void {
    throw notRecordable(`moving ${typeof dataId === 'object' ? 'a tensor' : 'nothing'} to the recorder`);
  }
  override readSync(): never {
    throw notRecordable('a function that looks at the numbers of its tensors');
  }
  override read(): never {
    throw notRecordable('a function that looks at the numbers of its tensors');
  }
  override disposeData = (dataId: object): boolean => {
    const more = this.#more.get(dataId) ?? 0;
    this.#more.set(dataId, more - 1);
    return more === 0;
  };
  override incRef = (dataId: object): void => void this.#more.set(dataId, this.refCount(dataId));
  override refCount = (dataId: object): number => (this.#more.get(dataId) ?? 0) + 1;
  override numDataIds = (): number => 0;
  override memory = (): { unreliable: boolean } => ({ unreliable: true });
  override timerAvailable = (): boolean => false;
  override floatPrecision = (): 16 | 32 => 32;
  override epsilon = (): number => 1e-7;
  override dispose = (): void => undefined;
}

/** Registers the backend and its kernels, once. It is never chosen by itself. */
function register(): void {
  if (tf.engine().registryFactory[recordingBackend] !== undefined) return;
  tf.registerBackend(recordingBackend, () => new RecordingBackend(), -1);
  for (const [kernelName, kernel] of Object.entries(kernels))
    tf.registerKernel({
      kernelName,
      backendName: recordingBackend,
      kernelFunc: ({ inputs, attrs }) => {
        const recording = active();
        const named = Object.fromEntries(
          Object.entries(inputs).flatMap(([name, tensor]) => (tensor == null ? [] : [[name, recording.traced(tensor)]])),
        );
        const result = kernel({ inputs: named, list: Object.values(named), attributes: attrs ?? {} }, recording.graph);
        return Array.isArray(result) ? result.map((traced: Traced) => recording.register(traced)) : recording.register(result);
      },
    });
}

/**
 * Watches tfjs's variables: one that is assigned to under recording would hold no numbers afterwards. Its data is kept where it is.
 * @returns gives the numbers back, and tells the names of the variables that had lost them
 */
function keepVariables(except: ReadonlySet<tf.Variable>): () => string[] {
  const watched = Object.values(tf.engine().registeredVariables).filter((variable) => !variable.isDisposed && !except.has(variable));
  const kept = watched.map((variable) => {
    backendOf(variable.dataId).incRef(variable.dataId);
    return { variable, copy: tf.keep(tf.engine().makeTensorFromTensorInfo(variable, backendOf(variable.dataId))) };
  });
  return () =>
    kept.flatMap(({ variable, copy }) => {
      const lost = !variable.isDisposed && variable.dataId !== copy.dataId;
      if (lost) variable.assign(copy);
      copy.dispose();
      return lost ? [variable.name] : [];
    });
}

/**
 * Runs a function with the recorder as tfjs's backend, then goes back to the one before. All at once: nobody else computes meanwhile.
 * @param state variables that the function may assign to. The caller looks after them; all others keep their numbers
 * @param ahead numbers of captured tensors whose backend cannot be read at once
 * @throws TransferKitError `unsupported` where another variable was assigned to
 */
export function underRecording<T>(
  record: (recording: Recording) => T,
  state: ReadonlySet<tf.Variable> = new Set(),
  ahead?: NumbersAhead,
): T {
  register();
  if (current !== undefined) throw new Error('a recording within a recording');
  const before = (tf.getBackend() as string | undefined) ?? tfjsChoice();
  const giveBack = keepVariables(state);
  current = new Recording(ahead);
  let lost: string[] = [];
  let result: T;
  try {
    void tf.setBackend(recordingBackend); // at once, because the backend is made without waiting
    if (tf.getBackend() !== recordingBackend) throw new Error('the recorder did not become the backend');
    result = record(current);
  } catch (error) {
    forgetTape();
    throw error;
  } finally {
    current = undefined;
    void tf.setBackend(before);
    lost = giveBack();
  }
  if (lost.length > 0) throw notRecordable(`a function that assigns to ${lost.join(', ')}, which its state leaves out,`);
  return result;
}

/** The backend that tfjs takes where nobody has chosen one. */
function tfjsChoice(): string {
  tf.backend();
  return tf.getBackend();
}
