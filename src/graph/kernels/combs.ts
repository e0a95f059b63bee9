import { backend_util } from '@tensorflow/tfjs-core';
import { sizeOf } from '../graph-builder.js';
import { attribute, input, type GraphKernel, type KernelTable } from './kernel.js';

/**
 * Takes each axis behind the first apart into `block` combs, which become pictures of their own: a dilated convolution is a plain one
 * of the combs.
 */
const spaceToBatch: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const [block, widths] = [attribute<number[]>(call, 'blockShape'), attribute<[number, number][]>(call, 'paddings')];
  const all = [[0, 0], ...widths, ...x.shape.slice(1 + block.length).map(() => [0, 0])] as [number, number][];
  const padded = x.shape.map((size, axis) => size + all[axis]![0] + all[axis]![1]);
  const amounts = graph.integers([...all.map(([before]) => before), ...all.map(([, after]) => after)]);
  const wide = all.every(([before, after]) => before + after === 0) ? graph.name(x) : graph.node('Pad', [graph.name(x), amounts]);
  const count = sizeOf(block);
  const apart = graph.reshape(wide, backend_util.getReshaped(padded, block, count, false));
  const ordered = graph.transpose(
    apart,
    backend_util.getPermuted(1 + 2 * block.length + x.shape.length - 1 - block.length, block.length, false),
  );
  const shape = backend_util.getReshapedPermuted(padded, block, count, false);
  return graph.traced(graph.reshape(ordered, shape), shape, x.type);
};

/** The way back; what was added is cut off. */
const batchToSpace: GraphKernel = (call, graph) => {
  const x = input(call, 'x');
  const [block, crops] = [attribute<number[]>(call, 'blockShape'), attribute<[number, number][]>(call, 'crops')];
  const count = sizeOf(block);
  const reshaped = backend_util.getReshaped([...x.shape], block, count);
  const ordered = graph.transpose(graph.reshape(graph.name(x), reshaped), backend_util.getPermuted(reshaped.length, block.length));
  const wide = backend_util.getReshapedPermuted([...x.shape], block, count);
  const whole = graph.reshape(ordered, wide);
  const shape = wide.map((size, axis) => size - (crops[axis - 1] ?? [0, 0]).reduce((one, other) => one + other));
  const axes = crops.map((_, index) => index + 1);
  const lists = [crops.map(([before]) => before), axes.map((axis) => crops[axis - 1]![0] + shape[axis]!), axes];
  return graph.traced(graph.node('Slice', [whole, ...lists.map((list) => graph.integers(list))]), shape, x.type);
};

export const combKernels: KernelTable = { BatchToSpaceND: batchToSpace, SpaceToBatchND: spaceToBatch };
