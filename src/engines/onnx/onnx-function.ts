import type { Variable } from '@tensorflow/tfjs-core';
import { TransferKitError } from '../../errors.js';
import type { Size } from '../../graph/align-recordings.js';
import { seededMask } from '../../layers/seeded-mask.js';
import type { CompiledFunction, HostTensor, TensorFunction } from '../engine.js';
import type { LoadedOnnxRuntime, OrtTensor } from './onnx-runtime.js';
import { PreparedGraphs, type PreparedGraph } from './prepared-graphs.js';
import type { StateStore } from './state-store.js';

/**
 * A function as a graph that ONNX Runtime runs: recorded at its first run, and again when a captured variable has changed. Runs go one
 * after the other: one takes all threads, and may write what the next one reads.
 */
export class OnnxFunction implements CompiledFunction {
  readonly #graphs: PreparedGraphs;
  /** Ends with the last run that was asked for. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly source: TensorFunction,
    private readonly loaded: LoadedOnnxRuntime,
    private readonly store: StateStore,
  ) {
    this.#graphs = new PreparedGraphs(source, loaded);
  }

  run(inputs: readonly HostTensor[], random?: () => number): Promise<HostTensor[]> {
    const result = this.#last.then(() => this.#runNow(inputs, random));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #runNow(inputs: readonly HostTensor[], random?: () => number): Promise<HostTensor[]> {
    const { graph, session } = await this.#graphs.for(inputs);
    const feeds = { ...this.#feeds(inputs), ...(await this.#stateFeeds()), ...this.#masks(graph, inputs, random) };
    const fetches = this.#fetches(graph);
    const results = await session.run(feeds, fetches);
    // what was given is what was written, although another tensor may come back for it
    for (const [name, variable] of this.#written(graph)) this.store.advance(variable, fetches[name] ?? results[name]!);
    return this.source.outputs.map((name) => hostTensor(results[name]!));
  }

  #feeds(inputs: readonly HostTensor[]): Record<string, OrtTensor> {
    const { Tensor } = this.loaded.runtime;
    return Object.fromEntries(
      this.source.inputs.map(({ name }, index) => {
        const { type, values, shape } = inputs[index]!;
        return [name, new Tensor(type, values, shape)];
      }),
    );
  }

  async #stateFeeds(): Promise<Record<string, OrtTensor>> {
    const feeds: Record<string, OrtTensor> = {};
    for (const { name, variable } of this.source.state ?? []) feeds[name] = await this.store.read(variable);
    return feeds;
  }

  /** Masks of dropout, drawn as the eager engine draws them. */
  #masks({ draws }: PreparedGraph['graph'], inputs: readonly HostTensor[], random: (() => number) | undefined): Record<string, OrtTensor> {
    const { Tensor } = this.loaded.runtime;
    return Object.fromEntries(
      draws.map(({ name, shape, rate }) => {
        const sizes = shape.map((size) => this.#sizeNow(size, inputs));
        const mask = seededMask(
          sizes.reduce((product, size) => product * size, 1),
          rate,
          random!(),
        );
        return [name, new Tensor('uint8', mask, sizes)];
      }),
    );
  }

  /** What a free size is in this call. */
  #sizeNow(size: Size, inputs: readonly HostTensor[]): number {
    if (typeof size === 'number') return size;
    const of = (name: string): number => {
      const place = this.source.inputs.findIndex(({ shape }) => shape.includes(name));
      return inputs[place]!.shape[this.source.inputs[place]!.shape.indexOf(name)]!;
    };
    return size.offset + size.names.reduce((product, name) => product * of(name), size.factor);
  }

  #fetches(graph: PreparedGraph['graph']): Record<string, OrtTensor | null> {
    const fetches: Record<string, OrtTensor | null> = Object.fromEntries(this.source.outputs.map((name) => [name, null]));
    const fresh = this.loaded.ignoresOutputs === true;
    for (const [name, variable] of this.#written(graph)) fetches[name] = fresh ? null : this.store.spare(variable);
    return fetches;
  }

  /** The variables that a graph assigns to, by the outputs that hold their next numbers. */
  #written({ assigned }: PreparedGraph['graph']): [output: string, variable: Variable][] {
    const names = new Set(assigned);
    return (this.source.state ?? []).filter(({ name }) => names.has(name)).map(({ name, variable }) => [`${name}/next`, variable]);
  }

  dispose(): void {
    this.#last = this.#last.then(() => this.#graphs.release());
  }
}

/** What ONNX Runtime gives, as the contract has it. */
function hostTensor({ type, dims, data }: OrtTensor): HostTensor {
  if (type === 'float32' || type === 'int32' || type === 'bool') return { type, shape: dims, values: data as Float32Array };
  throw new TransferKitError('unsupported', `a graph gave numbers of type ${type}: expected float32, int32 or bool.`);
}
