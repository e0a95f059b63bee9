import type { OnnxNode } from '../onnx-model.js';
import type { GraphBody, Pass } from '../simplify.js';
import { numbersOf } from '../tensor-bytes.js';
import { GraphIndex } from './graph-index.js';
import { inOrder } from './in-order.js';
import { removeUnused } from './remove-unused.js';
import { shapesOf, type SymbolicShape } from './shapes.js';

type Shapes = ReadonlyMap<string, SymbolicShape>;

/** The parts of a normalisation of the last axis. */
interface Match {
  readonly input: string;
  readonly mean: OnnxNode;
  /** 1 / sqrt(variance + epsilon) */
  readonly inverse: OnnxNode;
  readonly epsilon: number;
  readonly gamma: string;
  readonly beta: string;
  /** What gives the result. */
  readonly sum: OnnxNode;
}

/** The mean over the last axis that stays as an axis of length 1. */
function lastMean(index: GraphIndex, name: string | undefined, rank: number): OnnxNode | undefined {
  const node = index.producer(name, 'ReduceMean');
  const axes = index.body.constants.get(node?.inputs[1] ?? '');
  const { int: kept } = (node?.attributes['keepdims'] ?? { int: 1 }) as { int: number };
  if (node === undefined || axes?.shape[0] !== 1 || kept !== 1) return undefined;
  const axis = Number(numbersOf(axes)[0]);
  return axis === rank - 1 || axis === -1 ? node : undefined;
}

/** What stands below the root: the mean of squared distances from a mean over the last axis, and a number. */
function varianceOf(
  index: GraphIndex,
  shapes: Shapes,
  root: OnnxNode | undefined,
): (Pick<Match, 'input' | 'mean' | 'epsilon'> & { centred: string }) | undefined {
  const sum = index.producer(root?.inputs[0], 'Add');
  const epsilon = index.scalar(sum?.inputs[1]);
  const rank = shapes.get(sum?.inputs[0] ?? '')?.length;
  if (epsilon === undefined || rank === undefined) return undefined;
  const square = index.producer(lastMean(index, sum!.inputs[0], rank)?.inputs[0], 'Mul');
  const centred = index.producer(square?.inputs[0], 'Sub');
  const mean = lastMean(index, centred?.inputs[1], rank);
  const input = mean?.inputs[0];
  if (input === undefined || centred?.inputs[0] !== input || square!.inputs[1] !== centred.outputs[0]) return undefined;
  return { input, mean: mean!, epsilon, centred: centred.outputs[0]! };
}

/** Follows a reciprocal back to what is normalised, and on to what is made of it. */
function match(index: GraphIndex, shapes: Shapes, inverse: OnnxNode): Match | undefined {
  const variance = varianceOf(index, shapes, index.producer(inverse.inputs[0], 'Sqrt'));
  if (variance === undefined) return undefined;
  const { centred, ...parts } = variance;
  const products = index.users(inverse.outputs[0]!).filter(({ operator }) => operator === 'Mul');
  const standard = products.find(({ inputs }) => inputs.includes(centred));
  const affine = standard === undefined ? undefined : affineOf(index, shapes, standard.outputs[0]!);
  return affine === undefined ? undefined : { ...parts, inverse, ...affine };
}

/** The product with one number for each feature, and the sum behind it. */
function affineOf(index: GraphIndex, shapes: Shapes, standard: string): Pick<Match, 'gamma' | 'beta' | 'sum'> | undefined {
  const vector = (node: OnnxNode, from: string): string | undefined => {
    const operand = node.inputs.find((name) => name !== from);
    return operand !== undefined && shapes.get(operand)?.length === 1 ? operand : undefined;
  };
  for (const product of index.users(standard).filter(({ operator }) => operator === 'Mul')) {
    const sum = index.onlyUser(product.outputs[0]!);
    const gamma = vector(product, standard);
    const beta = sum?.operator === 'Add' ? vector(sum, product.outputs[0]!) : undefined;
    if (gamma !== undefined && beta !== undefined) return { gamma, beta, sum: sum! };
  }
  return undefined;
}

/** One node that gives the result, mean and reciprocal. */
function normalization({ input, mean, inverse, epsilon, gamma, beta, sum }: Match): OnnxNode {
  return {
    operator: 'LayerNormalization',
    inputs: [input, gamma, beta],
    outputs: [sum, mean, inverse].map(({ outputs: [name] }) => name!),
    attributes: { axis: { int: -1 }, epsilon: { float: epsilon } },
  };
}

/** Leaves out what a normalisation gives beside its result where nothing takes it. */
function withoutSpareOutputs(body: GraphBody): GraphBody {
  const taken = new Set(body.nodes.flatMap(({ inputs }) => inputs));
  const nodes = body.nodes.map((node) =>
    node.operator === 'LayerNormalization' && !node.outputs.slice(1).some((name) => taken.has(name) || body.outputs.has(name))
      ? { ...node, outputs: node.outputs.slice(0, 1) }
      : node,
  );
  return { ...body, nodes };
}

/**
 * Layer normalisation in its parts becomes one node. What a gradient needs of the parts, mean, spread and the standardised values, stays:
 * the node gives the first two, and the rest is made of them.
 */
export const fuseLayerNormalization: Pass = (body: GraphBody) => {
  const index = new GraphIndex(body);
  const shapes = shapesOf(body);
  const found = body.nodes.filter(({ operator }) => operator === 'Reciprocal').flatMap((node) => match(index, shapes, node) ?? []);
  if (found.length === 0) return body;
  const gone = new Set(found.flatMap(({ mean, inverse, sum }) => [mean, inverse, sum]));
  const fused = new Map(found.map((one) => [one.inverse, normalization(one)]));
  const nodes = body.nodes.flatMap((node) => fused.get(node) ?? (gone.has(node) ? [] : node));
  return withoutSpareOutputs(removeUnused({ ...body, nodes: inOrder(nodes) }));
};
