import * as tf from '@tensorflow/tfjs-core';
import type { SymbolicTensor, layers } from '@tensorflow/tfjs-layers';
import { BatchNormalization } from './batch-normalization.js';
import type { CallKeywords } from './call-keywords.js';
import { normalizedConvolution, type NormalizedConvolution } from './normalized-convolution.js';

/** Computes some layers in place of themselves: their own outputs with something learnt added. */
export interface LayerAdapter {
  handles(layer: layers.Layer): boolean;
  /** What the layer gives, changed. */
  apply(layer: layers.Layer, inputs: readonly tf.Tensor[], keywords: CallKeywords): tf.Tensor;
  /** Everything learnt that it uses. */
  weights(): readonly tf.Tensor[];
}

/** How layers are called. */
export interface RunOptions {
  /** Whether a layer is in training mode: dropout draws masks, normalisation uses the batch. */
  readonly training: (layer: layers.Layer) => boolean;
  /** The next seed for a layer that draws random numbers. Needed when a layer in training mode does. */
  readonly random?: () => number;
  /** What is put beside the layers: `adapter.inference` or `adapter.training`. */
  readonly adapter?: LayerAdapter | undefined;
}

/** Everything in inference mode. */
export const inference: RunOptions = { training: () => false };

/** Inference mode with the adapter of a model, where it has one. */
export const inferenceWith = (adapter: { readonly inference: LayerAdapter } | undefined): RunOptions =>
  adapter === undefined ? inference : { ...inference, adapter: adapter.inference };

/** One call of one layer. */
interface Step {
  readonly layer: layers.Layer;
  readonly inputs: readonly SymbolicTensor[];
  readonly outputs: readonly SymbolicTensor[];
  /** Tensors that nothing needs after this call. */
  readonly spent: readonly SymbolicTensor[];
  /** The normalisation that alone needs what this call gives, and what both compute together. */
  readonly normalized?: { readonly by: Omit<Step, 'normalized'>; readonly compute: NormalizedConvolution };
}

/** All tensors of the layer call that produced this one, in the order the layer returns them. */
export function siblings(tensor: SymbolicTensor): readonly SymbolicTensor[] {
  return tensor.sourceLayer.inboundNodes[tensor.nodeIndex]?.outputTensors ?? [tensor];
}

/** The symbolic tensors that `wanted` needs, inputs first, stopping at `given`. */
export function topologicalOrder(wanted: readonly SymbolicTensor[], given: ReadonlySet<SymbolicTensor>): SymbolicTensor[] {
  const order: SymbolicTensor[] = [];
  const seen = new Set<SymbolicTensor>();
  const stack = [...wanted].reverse().map((tensor) => ({ tensor, expanded: false }));
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    if (seen.has(top.tensor)) {
      stack.pop();
    } else if (top.expanded || given.has(top.tensor)) {
      stack.pop();
      seen.add(top.tensor);
      order.push(top.tensor);
    } else {
      top.expanded = true;
      for (const input of top.tensor.inputs) if (!seen.has(input)) stack.push({ tensor: input, expanded: false });
    }
  }
  return order;
}

/** Groups tensors into layer calls and notes after which call each tensor is spent. */
function planSteps(given: ReadonlySet<SymbolicTensor>, wanted: readonly SymbolicTensor[]): Step[] {
  const calls: Omit<Step, 'spent'>[] = [];
  const done = new Set<SymbolicTensor>(given);
  for (const tensor of topologicalOrder(wanted, given)) {
    if (done.has(tensor)) continue;
    const outputs = siblings(tensor);
    for (const output of outputs) done.add(output);
    calls.push({ layer: tensor.sourceLayer, inputs: tensor.inputs, outputs });
  }
  const lastUse = new Map<SymbolicTensor, number>();
  calls.forEach((call, index) => [...call.outputs, ...call.inputs].forEach((tensor) => lastUse.set(tensor, index)));
  const kept = new Set<SymbolicTensor>([...wanted, ...given]);
  const steps = calls.map((call, index) => ({
    ...call,
    spent: [...new Set([...call.outputs, ...call.inputs])].filter((tensor) => lastUse.get(tensor) === index && !kept.has(tensor)),
  }));
  return steps.map((step) => withNormalization(step, steps, kept));
}

/** Notes the normalisation that alone takes what a convolution gives. */
function withNormalization(step: Step, steps: readonly Step[], kept: ReadonlySet<SymbolicTensor>): Step {
  const [output, ...more] = step.outputs;
  const takers = steps.filter(({ inputs }) => inputs.includes(output!));
  const { layer } = takers[0] ?? {};
  if (takers.length !== 1 || more.length > 0 || kept.has(output!) || !(layer instanceof BatchNormalization)) return step;
  const compute = normalizedConvolution(step.layer, layer);
  return compute === undefined ? step : { ...step, normalized: { by: takers[0]!, compute } };
}

const planned = new WeakMap<SymbolicTensor, Map<string, Step[]>>();

/** The steps from given to wanted tensors; planned once for each pair. */
function stepsFor(given: readonly SymbolicTensor[], wanted: readonly SymbolicTensor[]): Step[] {
  const ids = (tensors: readonly SymbolicTensor[]): string => tensors.map((tensor) => tensor.id).join(',');
  const key = `${ids(given)}>${ids(wanted)}`;
  const plans = planned.get(wanted[0]!) ?? new Map<string, Step[]>();
  planned.set(wanted[0]!, plans);
  let steps = plans.get(key);
  if (steps === undefined) plans.set(key, (steps = planSteps(new Set(given), wanted)));
  return steps;
}

/** The outputs of one call of a layer, by the adapter where it takes care of the layer. */
function callLayer(layer: layers.Layer, inputs: readonly tf.Tensor[], { training, random, adapter }: RunOptions): tf.Tensor[] {
  const keywords = { training: training(layer), ...(random === undefined ? {} : { random }) };
  if (adapter?.handles(layer) === true) return [adapter.apply(layer, inputs, keywords)];
  const results = layer.apply(inputs.length === 1 ? inputs[0]! : [...inputs], keywords) as tf.Tensor | tf.Tensor[];
  return Array.isArray(results) ? results : [results];
}

/** Computes what a step gives; where the normalisation behind it can be computed with it, what that gives instead. */
function runStep(step: Step, values: Map<SymbolicTensor, tf.Tensor>, options: RunOptions): void {
  const inputs = step.inputs.map((input) => values.get(input)!);
  const { layer, normalized } = step;
  const isAdapted = (one: layers.Layer): boolean => options.adapter?.handles(one) === true;
  if (normalized !== undefined && !isAdapted(layer) && !isAdapted(normalized.by.layer) && !options.training(normalized.by.layer))
    return void values.set(normalized.by.outputs[0]!, normalized.compute(inputs));
  const outputs = callLayer(layer, inputs, options);
  step.outputs.forEach((output, index) => values.set(output, outputs[index]!));
}

/**
 * Runs part of a LayersModel's graph: from the tensors that are fed to those that are wanted, whatever lies between.
 *
 * tfjs's own executor runs whole models only and puts all layers in one mode; here a frozen prefix can be cut off and every
 * layer is told its own mode. Tensors that are no longer needed are released on the way, which is what keeps a deep network's
 * peak memory low. Call it inside `tf.tidy`. A wanted tensor that is also fed comes back as a
 * clone, so that outputs always belong to the caller.
 *
 * @param feeds values by symbolic tensor; they are not disposed
 * @returns one tensor per wanted symbolic tensor, in order
 */
export function runGraph(
  feeds: ReadonlyMap<SymbolicTensor, tf.Tensor>,
  wanted: readonly SymbolicTensor[],
  options: RunOptions = inference,
): tf.Tensor[] {
  const values = new Map(feeds);
  for (const step of stepsFor([...feeds.keys()], wanted)) {
    if (!step.outputs.every((output) => values.has(output))) runStep(step, values, options);
    for (const tensor of step.spent) {
      values.get(tensor)?.dispose();
      values.delete(tensor);
    }
  }
  return wanted.map((tensor) => (feeds.has(tensor) ? tf.clone(feeds.get(tensor)!) : values.get(tensor)!));
}
