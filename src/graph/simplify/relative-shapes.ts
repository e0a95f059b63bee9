import type { OnnxTensor } from '../onnx-model.js';
import type { Pass } from '../simplify.js';
import { tensorOf } from '../tensor-bytes.js';
import { knownOf, type SymbolicShape } from './shapes.js';

/** How ONNX writes that a size stays what it is. */
const same = 0;
/** How it writes that a size is what is left; once in a list. */
const rest = -1;

/** Sizes as numbers that hold whatever the free ones are; undefined where there are none. */
function relativeTo(before: SymbolicShape, after: SymbolicShape): number[] | undefined {
  const sizes = after.map((size, axis) => (typeof size === 'number' ? size : size === before[axis] ? same : rest));
  const usable = sizes.filter((size) => size === rest).length <= 1 && !after.includes(0);
  return usable ? sizes : undefined;
}

/**
 * Lists of sizes that are worked out in the graph become constants where each free size stays in its place, or one of them follows from
 * the rest. The runtime then knows more shapes beforehand, and fuses more.
 */
export const relativeShapes: Pass = (body) => {
  const { shapes } = knownOf(body);
  const constants = new Map<string, OnnxTensor>(body.constants);
  const nodes = body.nodes.map((node) => {
    const [source, list] = node.inputs as [string, string];
    if (node.operator !== 'Reshape' || body.constants.has(list)) return node;
    const [before, after] = [shapes.get(source), shapes.get(node.outputs[0]!)];
    const numbers = before === undefined || after === undefined ? undefined : relativeTo(before, after);
    if (numbers === undefined) return node;
    const name = `relative/${numbers.join()}`;
    constants.set(name, tensorOf({ type: 'int64', shape: [numbers.length], numbers }));
    return { ...node, inputs: [source, name] };
  });
  return { ...body, nodes, constants };
};
