import type { OnnxNode } from '../onnx-model.js';
import type { Pass } from '../simplify.js';
import { GraphIndex } from './graph-index.js';

/** What a GELU is made of: nodes that only it needs, and what it is taken of. */
interface Match {
  readonly input: string;
  readonly inner: readonly OnnxNode[];
  readonly approximate: 'none' | 'tanh';
}

/** Follows producers that are there for one node only, and collects them. */
class Trail {
  readonly nodes: OnnxNode[] = [];
  constructor(private readonly index: GraphIndex) {}

  at(name: string | undefined, operator: string): OnnxNode | undefined {
    const node = this.index.producer(name, operator);
    if (node === undefined || !this.index.isPrivate(node.outputs[0]!)) return undefined;
    this.nodes.push(node);
    return node;
  }
}

const other = ({ inputs: [one, two] }: OnnxNode, name: string | undefined): string | undefined =>
  one === name ? two : two === name ? one : undefined;

/** x * ((erf(x / sqrt(2)) + 1) * 0.5) */
function byErrorFunction(index: GraphIndex, x: string, factor: string): Match | undefined {
  const trail = new Trail(index);
  const plusOne = trail.at(index.besides(trail.at(factor, 'Mul'), 0.5), 'Add');
  const erf = trail.at(index.besides(plusOne, 1), 'Erf');
  const source = index.besides(trail.at(erf?.inputs[0], 'Mul'), Math.SQRT1_2);
  return source === x ? { input: x, inner: trail.nodes, approximate: 'none' } : undefined;
}

/** (x * 0.5) * (tanh((x + x * x * x * 0.044715) * sqrt(2 / pi)) + 1) */
function byTangent(index: GraphIndex, half: string, factor: string): Match | undefined {
  const trail = new Trail(index);
  const x = index.besides(trail.at(half, 'Mul'), 0.5);
  const tangent = trail.at(index.besides(trail.at(factor, 'Add'), 1), 'Tanh');
  const sum = trail.at(index.besides(trail.at(tangent?.inputs[0], 'Mul'), Math.sqrt(2 / Math.PI)), 'Add');
  const cubed = trail.at(index.besides(trail.at(sum === undefined ? undefined : other(sum, x), 'Mul'), 0.044715), 'Mul');
  const squared = trail.at(cubed === undefined ? undefined : other(cubed, x), 'Mul');
  if (x === undefined || squared?.inputs.every((name) => name === x) !== true) return undefined;
  return { input: x, inner: trail.nodes, approximate: 'tanh' };
}

function match(index: GraphIndex, { inputs: [one, two] }: OnnxNode): Match | undefined {
  for (const [a, b] of [
    [one!, two!],
    [two!, one!],
  ] as const) {
    const found = byErrorFunction(index, a, b) ?? byTangent(index, a, b);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** GELU in its parts becomes one node. Where a part is needed elsewhere, as for the gradient, all parts stay: it would be computed twice. */
export const fuseGelu: Pass = (body) => {
  const index = new GraphIndex(body);
  const gone = new Set<OnnxNode>();
  const fused = new Map<OnnxNode, OnnxNode>();
  for (const node of body.nodes) {
    const found = node.operator === 'Mul' ? match(index, node) : undefined;
    if (found === undefined) continue;
    found.inner.forEach((part) => gone.add(part));
    const attributes = { approximate: { text: found.approximate } };
    fused.set(node, { operator: 'Gelu', inputs: [found.input], outputs: node.outputs, attributes });
  }
  return { ...body, nodes: body.nodes.filter((node) => !gone.has(node)).map((node) => fused.get(node) ?? node) };
};
