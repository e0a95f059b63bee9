import * as tf from '@tensorflow/tfjs-core';
import { alignRecordings, freeSize, type FreeConstants, type Size, type SizeSamples } from './align-recordings.js';
import { notRecordable, sizeDependent, type GraphBuilder } from './graph-builder.js';
import type { TensorFunction } from '../engines/engine.js';
import type { OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from './onnx-model.js';
import { simplify } from './simplify.js';
import { freeSizeNodes } from './size-nodes.js';
import { tensorOf } from './tensor-bytes.js';
import { needsReading, underRecording, type NumbersAhead, type Recording } from './recording-backend.js';
import type { Traced, TracedType } from './traced.js';

/** What is to be recorded. It is called once for fixed sizes, twice where some are free. */
export type RecordRequest = Omit<TensorFunction, 'constants'>;

/** A mask of dropout that is drawn for each run. */
export interface GraphDraw {
  readonly name: string;
  readonly shape: readonly Size[];
  /** Share of zeros. */
  readonly rate: number;
}

/** A recorded function. */
export interface RecordedGraph {
  readonly model: OnnxModel;
  /** Names of the variables that the function assigned to. */
  readonly assigned: readonly string[];
  /** Inputs of the graph that are drawn, in the order of their seeds. */
  readonly draws: readonly GraphDraw[];
}

/** Operators as of ONNX 1.15. */
const operatorSet = 20;

/**
 * Sizes that free ones have in the two recordings: small, and such that no product of them grows by a multiple of what another one does,
 * so that `tokens - 1` cannot be taken for `2 * batch`.
 */
const samplePairs: readonly (readonly [number, number])[] = [
  [3, 5],
  [7, 10],
  [13, 20],
  [15, 26],
  [31, 50],
];

interface Sized {
  readonly graph: GraphBuilder;
  readonly outputs: { name: string; shape: readonly number[]; type: TracedType }[];
  readonly assigned: string[];
}

/**
 * Runs a function under the recorder with its free sizes replaced. Variables of its state stand for inputs meanwhile, and get their numbers
 * back.
 */
function recordSized(
  { inputs, compute, outputs, state = [] }: RecordRequest,
  sizeOf: (size: number | string) => number,
  ahead: NumbersAhead | undefined,
): Sized {
  const before = state.map(({ variable }) => tf.keep(tf.clone(variable)));
  try {
    return underRecording(
      (recording) => {
        const { graph } = recording;
        const found: Sized = { graph, outputs: [], assigned: [] };
        const emit = (name: string, tensor: tf.Tensor): void => void found.outputs.push(outputOf(recording, name, tensor));
        tf.tidy(() => {
          const given = state.map(({ name, variable }) => {
            variable.assign(placeholder(recording, graph.traced(name, variable.shape, variable.dtype as TracedType)));
            return variable.dataId;
          });
          const tensors = inputs.map(({ name, type, shape }) => placeholder(recording, graph.traced(name, shape.map(sizeOf), type)));
          compute(tensors, () => 0).forEach((tensor, index) => emit(outputs[index]!, tensor));
          state.forEach(({ name, variable }, index) => {
            if (variable.dataId === given[index]) return;
            found.assigned.push(name);
            emit(`${name}/next`, variable);
          });
        });
        return found;
      },
      new Set(state.map(({ variable }) => variable)),
      ahead,
    );
  } finally {
    state.forEach(({ variable }, index) => variable.assign(before[index]!));
    tf.dispose(before);
  }
}

const placeholder = (recording: Recording, traced: Traced): tf.Tensor => tf.engine().makeTensorFromTensorInfo(recording.register(traced));

/** Gives a value its public name. */
function outputOf(recording: Recording, name: string, tensor: tf.Tensor): Sized['outputs'][number] {
  const traced = recording.traced(tensor);
  const { graph } = recording;
  graph.nodes.push({ operator: 'Identity', inputs: [graph.name(traced)], outputs: [name], attributes: {} });
  return { name, shape: traced.shape, type: traced.type };
}

/** tfjs names a missing kernel in a sentence. */
function explain(error: unknown): unknown {
  const kernel = /(?:Cannot find registered kernel|Kernel) '([^']+)'/.exec(error instanceof Error ? error.message : '')?.[1];
  return kernel === undefined ? error : notRecordable(`the operation "${kernel}"`, { operation: kernel });
}

/**
 * Records a function of tensors as an ONNX graph. Nothing is computed, and tensors that the function captures stay where they are:
 * those of `state` become inputs, all others constants with the numbers that they have now. What the function assigns to a variable of
 * its state is an output named `<name>/next`; the variables stay as they are. Masks of dropout are inputs too.
 *
 * Free sizes are found by recording twice with different small ones and comparing: what differs must be a product of them.
 * @param ahead numbers of captured tensors whose backend cannot be read at once; see `recordReading`
 * @throws TransferKitError `unsupported` where the function does what a graph cannot, or does other things with another batch
 */
export function record(request: RecordRequest, ahead?: NumbersAhead): RecordedGraph {
  try {
    return recordGraph(request, ahead);
  } catch (error) {
    throw explain(error);
  }
}

/**
 * Records a function whose captured tensors may be where they cannot be read at once, as on WebGPU. Only there they are all read first.
 * @throws TransferKitError `unsupported` as `record` does
 */
export async function recordReading(request: TensorFunction): Promise<RecordedGraph> {
  try {
    return record(request);
  } catch (error) {
    if (!needsReading(error)) throw error;
  }
  const tensors = [...new Map(request.constants().map((tensor) => [tensor.dataId, tensor])).values()];
  const ahead = await Promise.all(tensors.map(async (tensor) => [tensor.dataId, await tensor.data()] as const));
  return record(request, new Map(ahead));
}

function recordGraph(request: RecordRequest, ahead: NumbersAhead | undefined): RecordedGraph {
  const names = [...new Set(request.inputs.flatMap(({ shape }) => shape.filter((size) => typeof size === 'string')))];
  if (names.length > samplePairs.length) throw sizeDependent(`a function with ${names.length} sizes that change from call to call`);
  const samples: SizeSamples = Object.fromEntries(names.map((name, index) => [name, samplePairs[index]!]));
  const at = (which: 0 | 1) => (size: number | string) => (typeof size === 'number' ? size : samples[size]![which]);
  const one = recordSized(request, at(0), ahead);
  if (names.length === 0) return assemble(request, one, { constants: new Map(), outputs: one.outputs, draws: one.graph.draws });
  const other = recordSized(request, at(1), ahead);
  const recordings = [one, other].map(({ graph, outputs }) => ({ nodes: graph.nodes, constants: graph.constants, outputs }));
  const free = alignRecordings(recordings[0]!, recordings[1]!, samples);
  const sizes = (shape: readonly number[], twin: readonly number[]): Size[] =>
    shape.map((size, axis) => freeSize(size, twin[axis]!, samples));
  const outputs = one.outputs.map((output, index) => ({ ...output, shape: sizes(output.shape, other.outputs[index]!.shape) }));
  const draws = one.graph.draws.map((draw, index) => ({ ...draw, shape: sizes(draw.shape, other.graph.draws[index]!.shape) }));
  return assemble(request, one, { constants: free, outputs, draws });
}

function sizeName(size: Size): number | string {
  if (typeof size === 'number') return size;
  const product = [...(size.factor === 1 ? [] : [size.factor]), ...size.names].join('*');
  return size.offset === 0 ? product : `${product}+${size.offset}`;
}

/** What follows the free sizes. */
interface FreeParts {
  readonly constants: FreeConstants;
  readonly outputs: readonly { name: string; type: TracedType; shape: readonly Size[] }[];
  readonly draws: readonly GraphDraw[];
}

function assemble({ name, inputs, state = [] }: RecordRequest, { graph, assigned }: Sized, free: FreeParts): RecordedGraph {
  const { nodes: sizeNodes, constants: sizeConstants } = freeSizeNodes(free.constants, inputs);
  const constants = new Map<string, OnnxTensor>(sizeConstants);
  for (const constant of graph.constants.values()) if (!free.constants.has(constant.name)) constants.set(constant.name, tensorOf(constant));
  const values: OnnxValue[] = [
    ...inputs,
    ...state.map(({ name: variable, variable: { shape, dtype } }) => ({ name: variable, type: dtype as TracedType, shape })),
    ...free.draws.map((draw) => ({ name: draw.name, type: 'uint8' as const, shape: draw.shape.map(sizeName) })),
  ];
  const nodes: OnnxNode[] = [...sizeNodes, ...graph.nodes];
  const outputs = free.outputs.map((output) => ({ ...output, shape: output.shape.map(sizeName) }));
  const model: OnnxModel = { name, nodes, constants, inputs: values, outputs, operatorSets: { '': operatorSet }, metadata: {} };
  return { model: simplify(model), assigned, draws: free.draws };
}
