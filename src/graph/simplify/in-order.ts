import type { OnnxNode } from '../onnx-model.js';

/** The same nodes, each behind those that it takes something from; otherwise as they stood. */
export function inOrder(nodes: readonly OnnxNode[]): OnnxNode[] {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const ordered = new Set<OnnxNode>();
  for (const start of nodes) {
    const stack = [start];
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      const missing = node.inputs.map((name) => producers.get(name)).filter((before) => before !== undefined && !ordered.has(before));
      if (missing.length === 0) ordered.add(stack.pop()!);
      else stack.push(missing[0]!);
    }
  }
  return [...ordered];
}
