import type { GraphBuilder } from '../graph-builder.js';
import { notRecordable } from '../graph-builder.js';
import type { KernelCall, Layout } from '../traced.js';
import { operandName } from './layouts.js';

type Activation = (graph: GraphBuilder, name: string, call: KernelCall, layout: Layout) => string;

const plain =
  (operator: string): Activation =>
  (graph, name) =>
    graph.node(operator, [name]);

/** The activations that tfjs's fused kernels have. */
const activations: Readonly<Record<string, Activation>> = {
  linear: (_graph, name) => name,
  relu: plain('Relu'),
  relu6: (graph, name) => graph.node('Clip', [name, graph.scalar(0), graph.scalar(6)]),
  sigmoid: plain('Sigmoid'),
  elu: plain('Elu'),
  leakyrelu: (graph, name, { attributes }) => graph.node('LeakyRelu', [name], { alpha: { float: attributes['leakyreluAlpha'] as number } }),
  prelu: (graph, name, { inputs }, layout) => graph.node('PRelu', [name, operandName(graph, inputs['preluActivationWeights']!, layout)]),
};

/** What a fused kernel does at its end. */
export function activate(graph: GraphBuilder, name: string, call: KernelCall, layout: Layout): string {
  const wanted = (call.attributes['activation'] as string | undefined) ?? 'linear';
  const activation = activations[wanted];
  if (activation === undefined) throw notRecordable(`the activation "${wanted}"`);
  return activation(graph, name, call, layout);
}
