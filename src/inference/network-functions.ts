import * as tf from '@tensorflow/tfjs-core';
import type { SymbolicTensor, layers } from '@tensorflow/tfjs-layers';
import type { CompiledFunction, Engine, HostTensor, TensorFunction, TensorPlaceholder } from '../engines/engine.js';
import { TransferKitError } from '../errors.js';
import { planAhead, runAhead, type AheadPlan } from './compute-ahead.js';
import { inference, runGraph, topologicalOrder, type LayerAdapter } from '../layers/run-graph.js';

/** Part of a network: from some of its tensors to others. */
export interface NetworkPart {
  /** The tensors that are fed. */
  readonly start: readonly SymbolicTensor[];
  /** The tensors that are asked for. */
  readonly wanted: readonly SymbolicTensor[];
  /** What is put beside the layers: `model.adapter`. */
  readonly adapter?: { readonly inference: LayerAdapter } | undefined;
}

/** What the functions of a network are made with. */
export interface NetworkOptions {
  /** In notes: `bert`. */
  readonly name: string;
  readonly engine: Engine;
  /** Name of the size that changes from example to example; see `InputProcessor.freeSize`. */
  readonly freeSize?: string | undefined;
  /** Weights that the layers use without having them. */
  readonly shared?: () => readonly tf.Tensor[];
}

/** A compiled part, and the weights that it relies on. */
interface Compiled {
  readonly compiled: CompiledFunction;
  readonly weights: () => readonly tf.Tensor[];
}

/** Functions of one network that are kept ready for each adapter: more than a program runs in turn, few enough to bound memory. */
const mostKept = 8;

/** A size that is not the network's own gets a name where it changes from call to call; others are as they are in this batch. */
function placeholderShapes(start: readonly SymbolicTensor[], inputs: readonly HostTensor[], freeSize?: string): (number | string)[][] {
  const isOpen = (position: number, axis: number): boolean => axis > 0 && start[position]!.shape[axis] == null;
  const sizes = new Set(inputs.flatMap(({ shape }, position) => shape.filter((_, axis) => isOpen(position, axis))));
  const name = sizes.size === 1 ? freeSize : undefined; // sizes that differ would need a name each
  return inputs.map(({ shape }, position) =>
    shape.map((size, axis) => (axis === 0 ? 'batch' : isOpen(position, axis) ? (name ?? size) : size)),
  );
}

/** The layers that are run between some tensors. */
const layersBetween = ({ start, wanted }: NetworkPart): layers.Layer[] => {
  const given = new Set(start);
  const computed = topologicalOrder(wanted, given).filter((tensor) => !given.has(tensor));
  return [...new Set(computed.map(({ sourceLayer }) => sourceLayer))];
};

const idsOf = (tensors: readonly SymbolicTensor[]): string => tensors.map(({ id }) => id).join();

/**
 * Runs parts of one network in inference mode, each compiled by the network's engine when it is first needed and kept. It is compiled
 * anew when weights were written to.
 */
export class NetworkFunctions {
  /** By adapter; those used least lately first. */
  readonly #kept = new Map<LayerAdapter | undefined, Map<string, Compiled>>();
  /** By part. */
  readonly #ahead = new Map<string, AheadPlan>();
  #disposed = false;

  constructor(private readonly options: NetworkOptions) {}

  /**
   * Runs a part on one batch.
   * @param inputs one for each of `part.start`, examples along the first axis
   * @throws TransferKitError `disposed`
   */
  async run(part: NetworkPart, inputs: readonly HostTensor[]): Promise<HostTensor[]> {
    this.#assertUsable();
    const plan = this.#aheadOf(part);
    if (plan.calls.length === 0) return this.#runCompiled(part, inputs);
    const values = await runAhead(plan, part.start, inputs);
    if (plan.start === undefined) return part.wanted.map((tensor) => values.get(tensor)!);
    return this.#runCompiled(
      { ...part, start: plan.start },
      plan.start.map((tensor) => values.get(tensor)!),
    );
  }

  /** Layers of the part that are run by themselves; found once for each part. */
  #aheadOf({ start, wanted }: NetworkPart): AheadPlan {
    const key = `${idsOf(start)}>${idsOf(wanted)}`;
    const plan = this.#ahead.get(key) ?? planAhead(start, wanted);
    this.#ahead.set(key, plan);
    return plan;
  }

  async #runCompiled(part: NetworkPart, inputs: readonly HostTensor[]): Promise<HostTensor[]> {
    const { compiled, weights } = this.#compiledFor(part, inputs);
    this.options.engine.settle(weights().filter((weight) => weight instanceof tf.Variable)); // training may keep newer numbers elsewhere
    return compiled.run(inputs);
  }

  #assertUsable(): void {
    if (this.#disposed) throw new TransferKitError('disposed', `the network "${this.options.name}" was disposed while it was used`);
  }

  #compiledFor(part: NetworkPart, inputs: readonly HostTensor[]): Compiled {
    this.#assertUsable();
    const { freeSize } = this.options;
    const shapes = placeholderShapes(part.start, inputs, freeSize);
    const placeholders = inputs.map(({ type }, index): TensorPlaceholder => ({ name: `input${index}`, type, shape: shapes[index]! }));
    const key = JSON.stringify([idsOf(part.start), idsOf(part.wanted), placeholders]);
    const ofAdapter = this.#kept.get(part.adapter?.inference) ?? new Map<string, Compiled>();
    this.#kept.set(part.adapter?.inference, ofAdapter);
    const found = ofAdapter.get(key) ?? this.#compile(part, placeholders);
    ofAdapter.delete(key);
    ofAdapter.set(key, found); // now the one used last
    for (const [oldest, { compiled }] of ofAdapter) {
      if (ofAdapter.size <= mostKept) break;
      compiled.dispose();
      ofAdapter.delete(oldest);
    }
    return found;
  }

  #compile(part: NetworkPart, inputs: readonly TensorPlaceholder[]): Compiled {
    const { start, wanted } = part;
    const adapter = part.adapter?.inference;
    const { engine, name, shared = () => [] } = this.options;
    const run = layersBetween(part);
    const weights = (): readonly tf.Tensor[] => [
      ...run.flatMap((layer) => layer.weights.map((weight) => weight.read())),
      ...(adapter?.weights() ?? []),
      ...shared(),
    ];
    const source: TensorFunction = {
      name,
      inputs,
      outputs: wanted.map((_, index) => `output${index}`),
      compute: (tensors) =>
        runGraph(new Map(start.map((symbolic, index) => [symbolic, tensors[index]!])), wanted, { ...inference, adapter }),
      constants: weights,
    };
    return { compiled: engine.compile(source), weights };
  }

  /** Lets go of what was compiled with an adapter. */
  release(adapter: LayerAdapter | undefined): void {
    for (const { compiled } of this.#kept.get(adapter)?.values() ?? []) compiled.dispose();
    this.#kept.delete(adapter);
  }

  /** Lets go of everything. Idempotent. */
  dispose(): void {
    this.#disposed = true;
    for (const adapter of [...this.#kept.keys()]) this.release(adapter);
  }
}
