import type { SymbolicTensor, layers } from '@tensorflow/tfjs-layers';
import type { HostTensor } from '../engines/engine.js';
import { TransferKitError } from '../errors.js';
import { isAheadLayer, type AheadLayer } from '../layers/ahead-layer.js';
import { siblings, topologicalOrder } from '../layers/run-graph.js';

/** One call of a layer that is run ahead. */
interface AheadCall {
  readonly layer: layers.Layer & AheadLayer;
  readonly inputs: readonly SymbolicTensor[];
  readonly outputs: readonly SymbolicTensor[];
}

/** Part of a network, cut behind the layers that are run ahead. */
export interface AheadPlan {
  /** In their order; most networks have none. */
  readonly calls: readonly AheadCall[];
  /** The tensors that are fed to the rest; undefined where the rest is nothing. */
  readonly start: readonly SymbolicTensor[] | undefined;
}

/** @throws TransferKitError `bad-config` */
function checkInputs({ name }: layers.Layer, inputs: readonly SymbolicTensor[], known: ReadonlySet<SymbolicTensor>): void {
  const unknown = inputs.find((input) => !known.has(input));
  if (unknown === undefined) return;
  throw new TransferKitError(
    'bad-config',
    `layer "${name}" is run before the rest of the network, and stands behind layer "${unknown.sourceLayer.name}", which is not.\n` +
      "  Expected: a layer that takes the network's inputs\n  Fix: give its inputs in `build` as they come from the processor.",
    { details: { layer: name, behind: unknown.sourceLayer.name } },
  );
}

/**
 * Finds the layers that are run ahead between some tensors, and what is left behind them.
 * @throws TransferKitError `bad-config` for one that needs what an ordinary layer gives
 */
export function planAhead(start: readonly SymbolicTensor[], wanted: readonly SymbolicTensor[]): AheadPlan {
  const known = new Set(start);
  const calls: AheadCall[] = [];
  for (const tensor of topologicalOrder(wanted, new Set(start))) {
    const layer = tensor.sourceLayer;
    if (known.has(tensor) || !isAheadLayer(layer)) continue;
    checkInputs(layer, tensor.inputs, known);
    const outputs = siblings(tensor);
    for (const output of outputs) known.add(output);
    calls.push({ layer, inputs: tensor.inputs, outputs });
  }
  if (calls.length === 0) return { calls, start };
  const isDone = wanted.every((tensor) => known.has(tensor));
  return { calls, start: isDone ? undefined : topologicalOrder(wanted, known).filter((tensor) => known.has(tensor)) };
}

/** Runs the layers of a plan on one batch; gives everything that is known then: what was fed, and what they gave. */
export async function runAhead(
  { calls }: AheadPlan,
  start: readonly SymbolicTensor[],
  inputs: readonly HostTensor[],
): Promise<ReadonlyMap<SymbolicTensor, HostTensor>> {
  const values = new Map(start.map((tensor, index) => [tensor, inputs[index]!]));
  for (const call of calls) {
    const results = await call.layer.computeAhead(call.inputs.map((input) => values.get(input)!));
    call.outputs.forEach((output, index) => values.set(output, results[index]!));
  }
  return values;
}
