import type { OnnxNode } from '../onnx-model.js';
import type { Pass } from '../simplify.js';
import { Renames } from './rename.js';

const orderOf = ({ attributes }: OnnxNode): readonly number[] => (attributes['perm'] as { ints: readonly number[] }).ints;

/** Changes of the order of axes: two in a row become one or none. */
export const turnOnce: Pass = (body) => {
  const renames = new Renames();
  const turns = new Map<string, OnnxNode>();
  const nodes: OnnxNode[] = [];
  const turn = (node: OnnxNode): void => {
    const output = node.outputs[0]!;
    const before = turns.get(node.inputs[0]!);
    const order = before === undefined ? orderOf(node) : orderOf(node).map((axis) => orderOf(before)[axis]!);
    const source = (before ?? node).inputs[0]!;
    if (order.every((axis, index) => axis === index) && !body.outputs.has(output)) return renames.set(output, source);
    const whole: OnnxNode = { ...node, inputs: [source], attributes: { perm: { ints: order } } };
    turns.set(output, whole);
    nodes.push(whole);
  };
  for (const original of body.nodes) {
    const node = renames.inputsOf(original);
    if (node.operator === 'Transpose') turn(node);
    else nodes.push(node);
  }
  return { ...body, nodes };
};
