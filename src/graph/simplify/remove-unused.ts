import type { Pass } from '../simplify.js';

/** Nodes and constants that no output needs go. */
export const removeUnused: Pass = (body) => {
  const needed = new Set(body.outputs);
  const nodes = [];
  for (const node of [...body.nodes].reverse()) {
    if (!node.outputs.some((name) => needed.has(name))) continue;
    nodes.push(node);
    node.inputs.forEach((name) => needed.add(name));
  }
  return { ...body, nodes: nodes.reverse(), constants: new Map([...body.constants].filter(([name]) => needed.has(name))) };
};
