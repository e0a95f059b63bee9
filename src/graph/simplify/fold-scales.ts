import type { OnnxNode, OnnxTensor } from '../onnx-model.js';
import type { Pass } from '../simplify.js';
import { evaluate } from './evaluate.js';
import { GraphIndex } from './graph-index.js';
import { Renames } from './rename.js';

/** What only changes where numbers stand. */
const moves = new Set(['Reshape', 'Transpose']);

/** The constants of a linear map: the matrix of the product, and what is added behind it. */
interface LinearMap {
  /** Node by place of its constant operand. */
  readonly parts: readonly (readonly [node: OnnxNode, place: number])[];
}

/** The linear map of constants that a value comes from, through steps that are there for it alone. */
function linearMap(index: GraphIndex, value: string): LinearMap | undefined {
  const { constants } = index.body;
  const parts: (readonly [OnnxNode, number])[] = [];
  for (let name = value; index.isPrivate(name);) {
    const node = index.producerOf(name);
    if (node === undefined || node.domain !== undefined) return undefined;
    if (moves.has(node.operator)) name = node.inputs[0]!;
    else if (node.operator === 'Add') {
      const place = node.inputs.findIndex((input) => constants.has(input));
      if (place < 0) return undefined;
      parts.push([node, place]);
      name = node.inputs[1 - place]!;
    } else if (node.operator === 'MatMul' && constants.has(node.inputs[1]!)) return { parts: [...parts, [node, 1]] };
    else return undefined;
  }
  return undefined;
}

/**
 * A product with one number, behind a linear map whose matrix and bias are constants, goes into them. So the scale of attention scores
 * costs nothing.
 */
export const foldScales: Pass = (body) => {
  const index = new GraphIndex(body);
  const constants = new Map<string, OnnxTensor>(body.constants);
  const renames = new Renames();
  const replaced = new Map<OnnxNode, OnnxNode>();
  const fold = (node: OnnxNode): boolean => {
    const place = node.inputs.findIndex((name) => index.scalar(name) !== undefined);
    const source = node.inputs[1 - place];
    const map = place < 0 || body.outputs.has(node.outputs[0]!) ? undefined : linearMap(index, source!);
    if (map === undefined || map.parts.some(([part]) => replaced.has(part))) return false;
    const number = body.constants.get(node.inputs[place]!)!;
    const scaled = map.parts.map(([part, operand]) => evaluate(node, [body.constants.get(part.inputs[operand]!)!, number]));
    if (scaled.some((value) => value === undefined)) return false;
    map.parts.forEach(([part, operand], which) => {
      const name = `${part.outputs[0]!}/scaled`;
      constants.set(name, scaled[which]!);
      replaced.set(part, { ...part, inputs: part.inputs.map((input, at) => (at === operand ? name : input)) });
    });
    renames.set(node.outputs[0]!, source!);
    return true;
  };
  const folded = new Set(body.nodes.filter((node) => node.operator === 'Mul' && node.domain === undefined && fold(node)));
  const nodes = body.nodes.filter((node) => !folded.has(node)).map((node) => renames.inputsOf(replaced.get(node) ?? node));
  return { ...body, nodes, constants };
};
