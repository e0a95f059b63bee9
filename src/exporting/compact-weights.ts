import type { OnnxModel, OnnxNode, OnnxTensor } from '../graph/onnx-model.js';
import { numbersOf } from '../graph/tensor-bytes.js';
import { encodeHalf } from '../weights/number-types.js';
import { quantizeChannels } from './quantize-channels.js';

/** How the weights of an exported network are stored. */
export type OnnxPrecision = 'float32' | 'float16' | 'int8';

/** Constants with fewer numbers stay as they are: the nodes that widen them would take as much. */
const fewest = 256;

/** ONNX's number of the type float32. */
const float32 = 1;

/** Where a constant is used. */
interface Use {
  readonly node: OnnxNode;
  readonly position: number;
}

/** Constants and nodes that stand for one constant. */
interface Widened {
  readonly constants: readonly (readonly [string, OnnxTensor])[];
  readonly nodes: readonly OnnxNode[];
}

/** How one constant is stored in fewer bytes. */
interface CompactForm {
  /** The constant in float32 again, as a value of its own name. */
  readonly whole: (name: string) => Widened;
  /** Some rows of it: what a Gather along the first axis gives, as a value of the name `to`. */
  readonly rows: (name: string, places: string, to: string) => Widened;
}

const node = (operator: string, inputs: readonly string[], to: string, attributes: OnnxNode['attributes'] = {}): OnnxNode => ({
  operator,
  inputs,
  outputs: [to],
  attributes,
});
const toFloat = { to: { int: float32 } };

/** Beyond this a float16 is infinite. */
const largestHalf = 65504;

function halfForm({ shape, bytes }: OnnxTensor, values: Float32Array): CompactForm | undefined {
  if (values.some((value) => Math.abs(value) > largestHalf)) return undefined;
  const stored: OnnxTensor = { type: 'float16', shape, bytes: encodeHalf(values) };
  if (stored.bytes.length >= bytes.length) return undefined;
  const constants = (name: string) => [[`${name}/half`, stored] as const];
  return {
    whole: (name) => ({ constants: constants(name), nodes: [node('Cast', [`${name}/half`], name, toFloat)] }),
    rows: (name, places, to) => ({
      constants: constants(name),
      nodes: [node('Gather', [`${name}/half`, places], `${to}/half`), node('Cast', [`${to}/half`], to, toFloat)],
    }),
  };
}

/** The axis along which the numbers of a weight belong together: its outputs, or the rows of a table. */
function channelAxis({ shape }: OnnxTensor, { node: { operator, attributes }, position }: Use): number | undefined {
  if (operator === 'Gather' && position === 0) return 0;
  if (operator === 'Conv' && position === 1) return 0;
  if (operator === 'MatMul' && position === 1 && shape.length === 2) return 1;
  const transposed = (side: string): boolean => (attributes[side] as { int?: number } | undefined)?.int === 1;
  return operator === 'Gemm' && position === 1 ? (transposed('transB') ? 0 : 1) : undefined;
}

function byteForm(tensor: OnnxTensor, values: Float32Array, uses: readonly Use[]): CompactForm | undefined {
  const [axis, ...others] = new Set(uses.map((use) => channelAxis(tensor, use)));
  if (axis === undefined || others.length > 0) return undefined;
  const { codes, scales } = quantizeChannels(values, tensor.shape, axis);
  const stored: OnnxTensor = { type: 'int8', shape: tensor.shape, bytes: new Uint8Array(codes.buffer) };
  const factors = (shape: readonly number[]): OnnxTensor => ({ type: 'float32', shape, bytes: new Uint8Array(scales.buffer) });
  return {
    whole: (name) => ({
      constants: [
        [`${name}/codes`, stored],
        [`${name}/scales`, factors([scales.length])],
      ],
      nodes: [node('DequantizeLinear', [`${name}/codes`, `${name}/scales`], name, { axis: { int: axis } })],
    }),
    rows: (name, places, to) => ({
      constants: [
        [`${name}/codes`, stored],
        [`${name}/scales`, factors([scales.length, ...tensor.shape.slice(1).map(() => 1)])],
      ],
      nodes: [
        node('Gather', [`${name}/codes`, places], `${to}/codes`),
        node('Gather', [`${name}/scales`, places], `${to}/scales`),
        node('Cast', [`${to}/codes`], `${to}/numbers`, toFloat),
        node('Mul', [`${to}/numbers`, `${to}/scales`], to),
      ],
    }),
  };
}

const forms: Readonly<Record<Exclude<OnnxPrecision, 'float32'>, typeof byteForm>> = {
  float16: halfForm,
  int8: byteForm,
};

/** Whether all that is done with a constant is to take rows of it. */
const isTable = (uses: readonly Use[]): boolean =>
  uses.every(({ node: { operator, attributes }, position }) => {
    const axis = (attributes['axis'] as { int?: number } | undefined)?.int ?? 0;
    return operator === 'Gather' && position === 0 && axis === 0;
  });

function usesOf(nodes: readonly OnnxNode[]): Map<string, Use[]> {
  const uses = new Map<string, Use[]>();
  for (const one of nodes)
    one.inputs.forEach((name, position) => {
      const known = uses.get(name);
      if (known === undefined) uses.set(name, [{ node: one, position }]);
      else known.push({ node: one, position });
    });
  return uses;
}

/**
 * Stores the weights of a graph in fewer bytes and puts nodes behind them that widen them again, so that everything is still computed in
 * float32. Of tables only the rows that are looked up are widened. Weights that would lose too much, and small ones, stay as they are.
 *
 * Kernels and tables are stored so; biases and normalisation, which are few and matter much, stay. float16: rounded to nearest. int8:
 * whole multiples of a scale for each output or row.
 */
export function compactWeights(model: OnnxModel, precision: OnnxPrecision): OnnxModel {
  if (precision === 'float32') return model;
  const uses = usesOf(model.nodes);
  const constants = new Map(model.constants);
  const front: OnnxNode[] = [];
  const replaced = new Map<OnnxNode, readonly OnnxNode[]>();
  const add = (widened: Widened): readonly OnnxNode[] => {
    for (const [name, tensor] of widened.constants) constants.set(name, tensor);
    return widened.nodes;
  };
  for (const [name, tensor] of model.constants) {
    if (tensor.type !== 'float32' || tensor.shape.length < 2 || tensor.bytes.length < 4 * fewest) continue;
    const places = uses.get(name) ?? [];
    const form = forms[precision](tensor, numbersOf(tensor) as Float32Array, places);
    if (form === undefined) continue;
    constants.delete(name);
    if (isTable(places)) for (const use of places) replaced.set(use.node, add(form.rows(name, use.node.inputs[1]!, use.node.outputs[0]!)));
    else front.push(...add(form.whole(name)));
  }
  return { ...model, constants, nodes: [...front, ...model.nodes.flatMap((one) => replaced.get(one) ?? [one])] };
}
