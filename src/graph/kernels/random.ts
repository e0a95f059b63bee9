import { keepMaskKernel, type KeepMaskAttributes } from '../../layers/drop-values.js';
import type { GraphKernel, KernelTable } from './kernel.js';

/** A mask is drawn outside the graph and goes in: a byte for each value, scaled within. */
const keepMask: GraphKernel = ({ attributes }, graph) => {
  const { shape, rate } = attributes as unknown as KeepMaskAttributes;
  const numbers = graph.cast(graph.draw(shape, rate), 'float32');
  return graph.traced(graph.node('Mul', [numbers, graph.scalar(1 / (1 - rate))]), shape);
};

export const randomKernels: KernelTable = { [keepMaskKernel]: keepMask };
