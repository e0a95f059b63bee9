import type { OnnxNode, OnnxTensor } from '../onnx-model.js';
import type { Pass } from '../simplify.js';
import { GraphIndex } from './graph-index.js';
import { inOrder } from './in-order.js';
import { shapesOf, type SymbolicShape } from './shapes.js';

/** The number of channels of a shape [channels, 1, 1] or [1, channels, 1, 1]; undefined for another one. */
function channelsOf(shape: SymbolicShape | undefined): number | undefined {
  const sizes = shape?.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
  const [channels] = sizes ?? [];
  return sizes?.length === 3 && sizes[1] === 1 && sizes[2] === 1 && typeof channels === 'number' ? channels : undefined;
}

/** A sum with one number for each channel becomes the bias of the convolution in front of it, if nothing else takes what that gives. */
export const addBiases: Pass = (body) => {
  const index = new GraphIndex(body);
  const shapes = shapesOf(body);
  const constants = new Map<string, OnnxTensor>(body.constants);
  /** The bias as a vector: a constant, or what was widened for the sum. */
  const vectorOf = (name: string): string | undefined => {
    const channels = channelsOf(shapes.get(name));
    const constant = body.constants.get(name);
    if (channels === undefined) return undefined;
    if (constant === undefined) {
      const source = index.producer(name, 'Reshape')?.inputs[0];
      return shapes.get(source ?? '')?.length === 1 ? source : undefined;
    }
    constants.set(`${name}/bias`, { ...constant, shape: [channels] });
    return `${name}/bias`;
  };
  const replaced = new Map<OnnxNode, OnnxNode | undefined>();
  for (const node of body.nodes.filter(({ operator }) => operator === 'Add')) {
    for (const [sum, part] of [node.inputs, [...node.inputs].reverse()] as [string, string][]) {
      const convolution = index.producer(sum, 'Conv');
      const bias = convolution?.inputs.length === 2 && index.isPrivate(sum) && !replaced.has(node) ? vectorOf(part) : undefined;
      if (bias === undefined) continue;
      replaced.set(convolution!, undefined);
      replaced.set(node, { ...convolution!, inputs: [...convolution!.inputs, bias], outputs: node.outputs });
    }
  }
  return { ...body, constants, nodes: inOrder(body.nodes.flatMap((node) => (replaced.has(node) ? (replaced.get(node) ?? []) : node))) };
};
