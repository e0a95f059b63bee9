import type { SymbolicTensor, layers } from '@tensorflow/tfjs-layers';
import type { BuiltBackbone } from '../backbones/backbone.js';
import { topologicalOrder } from './run-graph.js';

/** The group that produces each tensor; -1 for the network's inputs. A layer in no group belongs where its inputs come from. */
function producerGroups(built: BuiltBackbone, order: readonly SymbolicTensor[]): Map<SymbolicTensor, number> {
  const groupOf = new Map<layers.Layer, number>();
  built.groups.forEach((group, index) => group.layers.forEach((layer) => groupOf.set(layer, index)));
  const producers = new Map<SymbolicTensor, number>();
  for (const tensor of order) {
    const inherited = Math.max(-1, ...tensor.inputs.map((input) => producers.get(input) ?? -1));
    producers.set(tensor, tensor.inputs.length === 0 ? -1 : (groupOf.get(tensor.sourceLayer) ?? inherited));
  }
  return producers;
}

/**
 * The tensors that cross the border in front of a group: all that the groups from there on, and the wanted outputs, need to
 * know of what came before. In front of group 0 these are the network's inputs; behind the last group, the wanted outputs.
 *
 * @param firstGroup index of the first group behind the border, 0 to `groups.length`
 */
export function borderTensors(built: BuiltBackbone, wanted: readonly SymbolicTensor[], firstGroup: number): SymbolicTensor[] {
  const order = topologicalOrder(wanted, new Set());
  const producers = producerGroups(built, order);
  const before = (tensor: SymbolicTensor): boolean => producers.get(tensor)! < firstGroup;
  const crossing = new Set(wanted.filter(before));
  for (const tensor of order) if (!before(tensor)) tensor.inputs.filter(before).forEach((input) => crossing.add(input));
  // An input layer has no inputs and is never recomputed, so an input that is wanted behind the border crosses it as it is.
  return [...crossing].sort((a, b) => a.id - b.id);
}
