import type { OnnxNode, OnnxTensor } from '../onnx-model.js';
import type { Pass } from '../simplify.js';
import { evaluate } from './evaluate.js';

/** What follows from constants alone is computed now, in float32 as the graph would. */
export const foldConstants: Pass = (body) => {
  const constants = new Map(body.constants);
  const nodes: OnnxNode[] = [];
  for (const node of body.nodes) {
    const value = body.outputs.has(node.outputs[0]!) ? undefined : valueOf(node, constants);
    if (value === undefined) nodes.push(node);
    else constants.set(node.outputs[0]!, value);
  }
  return { ...body, nodes, constants };
};

function valueOf(node: OnnxNode, constants: ReadonlyMap<string, OnnxTensor>): OnnxTensor | undefined {
  const inputs = node.inputs.map((name) => constants.get(name));
  const known = inputs.length > 0 && node.outputs.length === 1 && inputs.every((input) => input !== undefined);
  return known ? evaluate(node, inputs) : undefined;
}
