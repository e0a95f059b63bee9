import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { borderTensors } from '../layers/cut-graph.js';
import type { AnyModel } from '../training/weight-set.js';

/** The tensors that cross into a group, given what the head takes. */
export function bordersOf(model: AnyModel, firstGroup: number): SymbolicTensor[] {
  const wanted = model.head.takes.map((name) => model.base.feature(name));
  return borderTensors(model.base.parts.built, wanted, firstGroup);
}
