import type { OnnxNode } from '../onnx-model.js';
import type { Pass } from '../simplify.js';
import { Renames } from './rename.js';

/**
 * Nodes that only hand on their input go. One that gives an output of the graph its name goes too, and the name with it to the node that
 * computes the value, unless that is an input, a constant or itself an output.
 */
export const skipIdentities: Pass = (body) => {
  const renames = new Renames();
  const nodes: OnnxNode[] = [];
  const computed = new Set(body.nodes.filter(({ operator }) => operator !== 'Identity').flatMap(({ outputs }) => outputs));
  const published = new Map<string, string>();
  for (const node of body.nodes) {
    const renamed = renames.inputsOf(node);
    const [output, source] = [node.outputs[0]!, renamed.inputs[0]!];
    if (node.operator !== 'Identity') nodes.push(renamed);
    else if (!body.outputs.has(output)) renames.set(output, source);
    else if (computed.has(source) && !body.outputs.has(source) && !published.has(source)) published.set(source, output);
    else nodes.push(renamed);
  }
  return { ...body, nodes: nodes.map((node) => publish(node, published)) };
};

/** Gives values the names under which they leave the graph. */
function publish(node: OnnxNode, published: ReadonlyMap<string, string>): OnnxNode {
  const renamed = (names: readonly string[]): readonly string[] =>
    names.some((name) => published.has(name)) ? names.map((name) => published.get(name) ?? name) : names;
  return { ...node, inputs: renamed(node.inputs), outputs: renamed(node.outputs) };
}
