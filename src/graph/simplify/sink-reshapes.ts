import type { OnnxNode, OnnxTensor } from '../onnx-model.js';
import type { GraphBody, Pass } from '../simplify.js';
import { tensorOf } from '../tensor-bytes.js';
import { inOrder } from './in-order.js';
import { Renames } from './rename.js';
import { knownOf, sameShape, type SymbolicShape, type SymbolicSize } from './shapes.js';

/** What works on each entry or along the last axis, whatever axes stand before it. */
const alongLastAxis = new Set(
  (
    'Abs Cast Clip Elu Erf Exp Gelu LayerNormalization LeakyRelu Log Neg Reciprocal Relu Selu Sigmoid Softplus Sqrt Tanh ' +
    'Add Sub Mul Div Max Min MatMul'
  ).split(' '),
);

/** Operands before their change of shape, and the shape that they have there. */
interface Earlier {
  readonly inputs: readonly string[];
  readonly shape: SymbolicShape;
}

/** A pass under way: the graph that is written, and what is known of it. */
class Sinking {
  readonly nodes: OnnxNode[] = [];
  readonly constants: Map<string, OnnxTensor>;
  readonly #shapes: Map<string, SymbolicShape>;
  /** Names of values that hold lists of sizes, by what is in them. */
  readonly #lists = new Map<string, string>();
  readonly #renames = new Renames();
  /** The same numbers in other shapes, the earliest first. */
  readonly #twins = new Map<string, readonly string[]>();

  constructor(private readonly body: GraphBody) {
    const { shapes, lists } = knownOf(body);
    this.constants = new Map(body.constants);
    this.#shapes = shapes;
    for (const [name, list] of lists) if (!this.#lists.has(list.join())) this.#lists.set(list.join(), name);
  }

  add(original: OnnxNode): void {
    const node = this.#renames.inputsOf(original);
    if (node.operator === 'Reshape') return this.#reshape(node);
    const earlier = this.#earlier(node);
    const sizes = earlier === undefined ? undefined : this.#listOf(this.#shapes.get(node.outputs[0]!)!);
    if (earlier === undefined || sizes === undefined) this.nodes.push(node);
    else this.#sink(node, earlier, sizes);
  }

  /** One change of shape instead of several, or none. */
  #reshape(node: OnnxNode): void {
    const [input, output] = [node.inputs[0]!, node.outputs[0]!];
    const after = this.#shapes.get(output);
    if (after === undefined) return void this.nodes.push(node); // a list with a zero in it is about the shape in front of it
    const twins = [...(this.#twins.get(input) ?? []), input];
    const equal = twins.find((name) => sameShape(this.#shapes.get(name) ?? [], after) && this.#shapes.has(name));
    if (equal !== undefined && !this.body.outputs.has(output)) return this.#renames.set(output, equal);
    this.#twins.set(output, twins);
    this.nodes.push({ ...node, inputs: [twins[0]!, node.inputs[1]!] });
  }

  /** Does the node first, then the change of shape. */
  #sink(node: OnnxNode, { inputs, shape }: Earlier, sizes: string): void {
    const output = node.outputs[0]!;
    const made = `${output}/early`;
    this.#shapes.set(made, shape);
    this.nodes.push({ ...node, inputs, outputs: [made] });
    this.#reshape({ operator: 'Reshape', inputs: [made, sizes], outputs: [output], attributes: {} });
  }

  /** A node's operands before their change of shape, where it can be done on them as well. */
  #earlier({ operator, domain, inputs, outputs, attributes }: OnnxNode): Earlier | undefined {
    const result = this.#shapes.get(outputs[0]!);
    if (result === undefined || domain !== undefined || outputs.length > 1) return undefined;
    if (operator === 'Gather' && Object.hasOwn(attributes, 'axis')) return this.#earlierPlaces(inputs, attributes);
    if (!alongLastAxis.has(operator)) return undefined;
    const fixed = (name: string, place: number): boolean =>
      operator === 'MatMul' ? place === 1 && this.#shapes.get(name)?.length === 2 : (this.#shapes.get(name)?.length ?? 2) < 2;
    const moved = inputs.map((name, place) => (fixed(name, place) ? undefined : this.#origin(name)));
    const from = moved.find((name) => name !== undefined);
    if (from === undefined || !inputs.every((name, place) => fixed(name, place) || this.#goesWith(name, from, result, operator)))
      return undefined;
    const shape = [...this.#shapes.get(from)!.slice(0, -1), result.at(-1)!];
    return { inputs: inputs.map((name, place) => moved[place] ?? name), shape };
  }

  /** What a value was before a change of shape that left the last axis alone. */
  #origin(name: string): string | undefined {
    const width = this.#shapes.get(name)?.at(-1);
    return this.#twins.get(name)?.find((twin) => {
      const shape = this.#shapes.get(twin);
      return shape !== undefined && shape.length > 1 && shape.at(-1) === width;
    });
  }

  /** Whether an operand had the same shape as another one before, and has that of the result now. */
  #goesWith(name: string, other: string, result: SymbolicShape, operator: string): boolean {
    const origin = this.#origin(name);
    if (origin === undefined || !sameShape(this.#shapes.get(origin)!, this.#shapes.get(other)!)) return false;
    const leading = operator === 'MatMul' ? -1 : undefined;
    return sameShape(this.#shapes.get(name)!.slice(0, leading), result.slice(0, leading));
  }

  /** Rows of a table are looked up by numbers in any shape. */
  #earlierPlaces([table, places]: readonly string[], attributes: OnnxNode['attributes']): Earlier | undefined {
    const origin = this.#twins.get(places!)?.[0];
    const [rows, before] = [this.#shapes.get(table!), this.#shapes.get(origin ?? '')];
    if (origin === undefined || rows === undefined || before === undefined || (attributes['axis'] as { int: number }).int !== 0)
      return undefined;
    return { inputs: [table!, origin], shape: [...before, ...rows.slice(1)] };
  }

  /** The name of a list of sizes; undefined where one of them is in no value. */
  #listOf(shape: SymbolicShape): string | undefined {
    const key = shape.join();
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const name = `shape/${key}`;
    const numbers = shape.filter((size) => typeof size === 'number');
    if (numbers.length === shape.length) this.constants.set(name, tensorOf({ type: 'int64', shape: [shape.length], numbers }));
    else {
      const parts = shape.map((size) => this.#sizeName(size));
      if (!parts.every((part) => part !== undefined)) return undefined;
      this.nodes.push({ operator: 'Concat', inputs: parts, outputs: [name], attributes: { axis: { int: 0 } } });
    }
    this.#lists.set(key, name);
    return name;
  }

  #sizeName(size: SymbolicSize): string | undefined {
    return typeof size === 'number' ? this.#listOf([size]) : this.#lists.get(size);
  }
}

/**
 * Changes of shape go behind what works the same without them, until two of them meet and cancel. tfjs flattens the leading axes in front
 * of each product and brings them back behind it; in the graph neither is left, and what the runtime can fuse stands side by side.
 */
export const sinkReshapes: Pass = (body) => {
  const sinking = new Sinking(body);
  for (const node of body.nodes) sinking.add(node);
  return { ...body, nodes: inOrder(sinking.nodes), constants: sinking.constants };
};
