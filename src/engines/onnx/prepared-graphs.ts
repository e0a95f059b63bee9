import { TransferKitError } from '../../errors.js';
import { followsSizes } from '../../graph/graph-builder.js';
import { recordReading, type RecordedGraph } from '../../graph/record.js';
import { writeOnnx } from '../../graph/write-onnx.js';
import type { HostTensor, TensorFunction } from '../engine.js';
import type { LoadedOnnxRuntime, OrtSession } from './onnx-runtime.js';

/** A graph that is loaded. Of its recording only what a run needs is kept: the weights in it are ONNX Runtime's own by now. */
export interface PreparedGraph {
  readonly graph: Pick<RecordedGraph, 'assigned' | 'draws'>;
  readonly session: OrtSession;
}

/** Graphs of one function for batches of fixed sizes: the usual batch, the last one, and a few lengths. */
const mostGraphs = 6;

/** What another version of ONNX Runtime does not know yet, or any more. @throws TransferKitError `unsupported` */
function refused(error: unknown): never {
  const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
  throw new TransferKitError('unsupported', `ONNX Runtime does not take the graph: ${reason}`, { cause: error });
}

/** The function for batches of the very sizes of these inputs. */
const fixed = (source: TensorFunction, inputs: readonly HostTensor[]): TensorFunction => ({
  ...source,
  inputs: source.inputs.map((placeholder, index) => ({ ...placeholder, shape: inputs[index]!.shape })),
});

/**
 * The graphs of one function: one for all sizes of its inputs where that can be, else one for each. They are made anew where a captured
 * variable was assigned to.
 */
export class PreparedGraphs {
  /** By sizes, '' for all; those used least lately first. */
  readonly #graphs = new Map<string, PreparedGraph>();
  /** Data of the captured variables as it was recorded. */
  #constants: readonly object[] = [];
  /** Whether one graph serves all sizes, as far as is known. */
  #free = true;

  constructor(
    private readonly source: TensorFunction,
    private readonly loaded: LoadedOnnxRuntime,
  ) {}

  /**
   * The graph for inputs of these sizes, as it fits the captured variables now. One at a time.
   * @throws TransferKitError `unsupported` where the function cannot be one
   */
  async for(inputs: readonly HostTensor[]): Promise<PreparedGraph> {
    const now = this.source.constants().map(({ dataId }) => dataId);
    if (!now.every((dataId, index) => dataId === this.#constants[index])) await this.release();
    this.#constants = now;
    const graph = this.#graphs.get(this.#key(inputs)) ?? (await this.#make(inputs));
    this.#graphs.delete(this.#key(inputs));
    this.#graphs.set(this.#key(inputs), graph); // now the one used last
    await this.#dropOldest();
    return graph;
  }

  #key(inputs: readonly HostTensor[]): string {
    return !this.#free ? inputs.map(({ shape }) => shape.join('x')).join() : '';
  }

  async #make(inputs: readonly HostTensor[]): Promise<PreparedGraph> {
    if (!this.#free) return this.#load(fixed(this.source, inputs));
    try {
      return await this.#load(this.source);
    } catch (error) {
      if (!followsSizes(error)) throw error;
      this.#free = false;
      return this.#load(fixed(this.source, inputs));
    }
  }

  async #load(source: TensorFunction): Promise<PreparedGraph> {
    const { model, assigned, draws } = await recordReading(source);
    const { runtime, session: options } = this.loaded;
    const session = await runtime.InferenceSession.create(writeOnnx(model), { logSeverityLevel: 3, ...options }).catch(refused);
    return { graph: { assigned, draws }, session };
  }

  async #dropOldest(): Promise<void> {
    for (const [key, { session }] of this.#graphs) {
      if (this.#graphs.size <= mostGraphs) return;
      this.#graphs.delete(key);
      await session.release();
    }
  }

  /** Lets go of all graphs. */
  async release(): Promise<void> {
    const graphs = [...this.#graphs.values()];
    this.#graphs.clear();
    for (const { session } of graphs) await session.release();
  }
}
