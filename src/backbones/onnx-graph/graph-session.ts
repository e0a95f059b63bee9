import type { HostTensor } from '../../engines/engine.js';
import type { LoadedOnnxRuntime, OrtSession } from '../../engines/onnx/onnx-runtime.js';
import { TransferKitError } from '../../errors.js';
import { badGraph, type GraphConfig } from './graph-config.js';
import { asType, floatsOf, rowOf, stacked } from './graph-values.js';

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 400);

/** @throws TransferKitError `unsupported` */
function refused(error: unknown, { file }: GraphConfig, { name }: LoadedOnnxRuntime): never {
  throw new TransferKitError(
    'unsupported',
    `${name} does not take the graph "${file}".\n  Received: ${firstLine(error)}\n  Fix: fetch the file again; if it is whole, install a newer version, or choose another variant of the file.`,
    { details: { file, name }, cause: error },
  );
}

const wasDisposed = ({ file }: GraphConfig): TransferKitError =>
  new TransferKitError('disposed', `the graph "${file}" was disposed; load its base again to use it`);

/** A graph that ONNX Runtime has loaded. Runs go one after the other: one takes all threads. */
export class GraphSession {
  /** Ends with the last run that was asked for. */
  #last: Promise<unknown> = Promise.resolve();
  #released: Promise<void> | undefined;

  private constructor(
    private readonly session: OrtSession,
    private readonly config: GraphConfig,
    private readonly loaded: LoadedOnnxRuntime,
  ) {}

  /** @throws TransferKitError `unsupported` with ONNX Runtime's reason */
  static async open(bytes: Uint8Array, config: GraphConfig, loaded: LoadedOnnxRuntime): Promise<GraphSession> {
    const { runtime, session: settings } = loaded;
    const session = await runtime.InferenceSession.create(bytes, { logSeverityLevel: 4, ...settings }).catch((error: unknown) =>
      refused(error, config, loaded),
    );
    return new GraphSession(session, config, loaded);
  }

  /**
   * Runs the graph on one batch.
   * @param inputs as the graph takes them, in the order of its config
   * @returns float32, as the graph gives it
   * @throws TransferKitError `bad-input` with ONNX Runtime's reason; `disposed`
   */
  run(inputs: readonly HostTensor[]): Promise<HostTensor> {
    if (this.#released !== undefined) return Promise.reject(wasDisposed(this.config));
    const result = this.#last.then(() => (this.config.oneByOne ? this.#runEach(inputs) : this.#runNow(inputs)));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Each example by itself. */
  async #runEach(inputs: readonly HostTensor[]): Promise<HostTensor> {
    const results: HostTensor[] = [];
    for (let row = 0; row < inputs[0]!.shape[0]!; row++) results.push(await this.#runNow(inputs.map((input) => rowOf(input, row))));
    return stacked(results);
  }

  async #runNow(inputs: readonly HostTensor[]): Promise<HostTensor> {
    const { inputs: places, output } = this.config;
    const { Tensor } = this.loaded.runtime;
    const feeds = Object.fromEntries(
      places.map(({ name, type }, index) => {
        const { values, shape } = inputs[index]!;
        return [name, new Tensor(type as 'int64', asType(values, type), shape)];
      }),
    );
    const results = await this.session.run(feeds, { [output]: null }).catch((error: unknown) => this.#failed(error, inputs));
    return this.#host(results[output]!);
  }

  /** @throws TransferKitError `bad-config` */
  #host(result: Awaited<ReturnType<OrtSession['run']>>[string]): HostTensor {
    const values = floatsOf(result);
    if (values !== undefined) return { type: 'float32', shape: result.dims, values };
    const { file, output } = this.config;
    throw badGraph(`"${output}" of "${file}" has no features`, 'numbers of type float32 or float16', result.type, "name another tensor: config: { output: '...' }"); // prettier-ignore
  }

  /** @throws TransferKitError `bad-input` */
  #failed(error: unknown, inputs: readonly HostTensor[]): never {
    const { file, inputs: places } = this.config;
    const shapes = places.map(({ name }, index) => `${name} [${inputs[index]!.shape.join(', ')}]`).join(', ');
    throw new TransferKitError(
      'bad-input',
      `the graph "${file}" cannot be run on ${shapes}.\n  Received: ${firstLine(error)}\n  Fix: check that tokenizer, maxLength or picture size are those that the graph was published with.`,
      { details: { file }, cause: error },
    );
  }

  /** Lets go of the graph, after the runs that were asked for. Idempotent. */
  release(): Promise<void> {
    return (this.#released ??= this.#last.then(() => this.session.release()));
  }
}
