import * as tf from '@tensorflow/tfjs-core';
import type { GraphBuilder } from '../graph-builder.js';
import { channelsFirstOrder, type Layout, type Traced } from '../traced.js';

/** Whether a tensor exists with its channels first, and in no other order. */
const isChannelsFirst = ({ names, known, fill }: Traced): boolean =>
  names.has('channels-first') && !names.has('plain') && known === undefined && fill === undefined;

/** Whether a tensor can be broadcast against pictures with channels first, without turning a large one. */
const fitsChannelsFirst = ({ shape, fill, names }: Traced): boolean =>
  fill !== undefined ||
  shape.length <= 1 ||
  (shape.length === 4 && (names.has('channels-first') || tf.util.sizeFromShape(shape.slice(1, 3)) === 1));

/** The order of axes in which an operation on each entry is written: that of its operands, so that nothing has to be turned. */
export function commonLayout(operands: readonly Traced[]): Layout {
  return operands.some(isChannelsFirst) && operands.every((operand) => fitsChannelsFirst(operand) || isChannelsFirst(operand))
    ? 'channels-first'
    : 'plain';
}

/** The name of an operand so that it broadcasts in the given order of axes. A number that is everywhere is a scalar. */
export function operandName(graph: GraphBuilder, operand: Traced, layout: Layout): string {
  if (operand.fill !== undefined) return graph.scalar(operand.fill, operand.type);
  if (layout === 'plain' || operand.shape.length === 0) return graph.name(operand);
  const { shape } = operand;
  if (shape.length === 4) return graph.name(operand, layout);
  if (tf.util.sizeFromShape([...shape]) === 1) return graph.name(operand);
  if (shape.length === 1) return graph.reshape(graph.name(operand), [shape[0]!, 1, 1]);
  const widened = [...Array<number>(4 - shape.length).fill(1), ...shape];
  return graph.transpose(graph.reshape(graph.name(operand), widened), channelsFirstOrder);
}

/** Axes of the plain order as positions in another. */
export const axesIn = (layout: Layout, axes: readonly number[]): number[] =>
  layout === 'plain' ? [...axes] : axes.map((axis) => channelsFirstOrder.indexOf(axis as 0)).sort((one, other) => one - other);

/** The layout that a tensor is there in; for one that is nowhere yet, plain. */
export const layoutOf = (traced: Traced): Layout => (isChannelsFirst(traced) ? 'channels-first' : 'plain');
