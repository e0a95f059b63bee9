import type { OnnxNode, OnnxTensor } from '../onnx-model.js';
import type { Pass } from '../simplify.js';
import { evaluate } from './evaluate.js';

/** A result larger than what it is made of is kept as a node, beyond this many bytes: a filled tensor is best filled by the runtime. */
const spareBytes = 4096;

/** What follows from constants alone is computed now, in float32 as the graph would. */
export const foldConstants: Pass = (body) => {
  const constants = new Map(body.constants);
  const nodes: OnnxNode[] = [];
  for (const node of body.nodes) {
    const value = valueOf(node, constants);
    if (value === undefined || body.outputs.has(node.outputs[0]!)) nodes.push(node);
    else constants.set(node.outputs[0]!, value);
  }
  return { ...body, nodes, constants };
};

function valueOf(node: OnnxNode, constants: ReadonlyMap<string, OnnxTensor>): OnnxTensor | undefined {
  const inputs = node.inputs.map((name) => constants.get(name));
  if (inputs.length === 0 || node.outputs.length > 1 || !inputs.every((input) => input !== undefined)) return undefined;
  const value = evaluate(node, inputs);
  const largest = Math.max(...inputs.map(({ bytes }) => bytes.length), spareBytes);
  return value !== undefined && value.bytes.length <= largest ? value : undefined;
}
