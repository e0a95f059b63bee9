import type { layers } from '@tensorflow/tfjs-layers';
import type { LayerGroup } from '../backbone.js';

/** A call of a layer, by the numbers of the calls that it takes its inputs from. */
export interface PlacedCall {
  readonly layer: layers.Layer;
  readonly inputs: readonly number[];
}

/** A run of calls that are frozen and unfrozen together. */
interface Run {
  first: number;
  last: number;
}

/** Runs of calls between the places that all of the flow passes through as one tensor: a shortcut never leaves its run. */
function runsBetweenJoints(calls: readonly PlacedCall[]): Run[] {
  const lastUse = calls.map((_, index) => index);
  calls.forEach(({ inputs }, index) => inputs.forEach((input) => (lastUse[input] = index)));
  const runs: Run[] = [];
  let first = 0;
  let alive = new Set<number>();
  calls.forEach((_, index) => {
    alive = new Set([...alive, index].filter((made) => lastUse[made]! > index));
    if (alive.size > 1 || (alive.size === 1 && !alive.has(index))) return;
    runs.push({ first, last: index });
    first = index + 1;
  });
  if (first < calls.length) runs.push({ first, last: calls.length - 1 });
  return runs;
}

/** Whether a run has weights that gradients move and that are no mere normalisation of what came before. */
function standsAlone(run: Run, calls: readonly PlacedCall[]): boolean {
  return calls.slice(run.first, run.last + 1).some(({ layer }) => layer.weights.length > 0 && layer.nonTrainableWeights.length === 0);
}

/** The first run that a layer is used in again, behind this one; a shared layer keeps its runs together. */
function lastShared(run: Run, calls: readonly PlacedCall[]): number {
  const own = new Set(calls.slice(0, run.last + 1).map(({ layer }) => layer));
  return calls.findLastIndex(({ layer }) => own.has(layer) && layer.weights.length > 0);
}

/** Joins runs without weights of their own to the one before, and runs that share a layer. */
function joinRuns(runs: readonly Run[], calls: readonly PlacedCall[]): Run[] {
  const joined: Run[] = [];
  for (const run of runs) {
    const previous = joined.at(-1);
    const belongs =
      previous !== undefined && (!standsAlone(run, calls) || !standsAlone(previous, calls) || lastShared(previous, calls) > previous.last);
    if (belongs) previous.last = run.last;
    else joined.push({ ...run });
  }
  return joined;
}

/**
 * Cuts a network into groups, each with weights: a residual or branching block as a whole, elsewhere one convolution with its
 * normalisation and activation. A group is called after its first layer with weights.
 * @param calls in the order of computation
 */
export function layerGroups(calls: readonly PlacedCall[]): LayerGroup[] {
  return joinRuns(runsBetweenJoints(calls), calls).map((run) => {
    const inside = calls.slice(run.first, run.last + 1).filter(({ inputs }) => inputs.length > 0);
    const members = [...new Set(inside.map(({ layer }) => layer))];
    const named = members.find((layer) => layer.weights.length > 0) ?? members[0]!;
    return { name: named.name, layers: members };
  });
}
