import type { OnnxNode } from '../onnx-model.js';
import type { GraphBody } from '../simplify.js';
import { numbersOf } from '../tensor-bytes.js';

/** Where values of a graph come from and where they go. */
export class GraphIndex {
  readonly #producers = new Map<string, OnnxNode>();
  readonly #users = new Map<string, OnnxNode[]>();

  constructor(readonly body: GraphBody) {
    for (const node of body.nodes) {
      node.outputs.forEach((name) => this.#producers.set(name, node));
      for (const name of new Set(node.inputs)) this.#users.set(name, [...(this.#users.get(name) ?? []), node]);
    }
  }

  /** The node that gives a value; undefined for what goes in and for constants. */
  producerOf(name: string): OnnxNode | undefined {
    return this.#producers.get(name);
  }

  /** The node that gives a value, where it is of the given operator. */
  producer(name: string | undefined, operator: string): OnnxNode | undefined {
    const node = this.#producers.get(name ?? '');
    return node?.operator === operator && node.domain === undefined ? node : undefined;
  }

  users(name: string): readonly OnnxNode[] {
    return this.#users.get(name) ?? [];
  }

  /** The only node that takes a value, where it is not an output of the graph. */
  onlyUser(name: string): OnnxNode | undefined {
    const users = this.users(name);
    return users.length === 1 && !this.body.outputs.has(name) ? users[0] : undefined;
  }

  /** Whether a value is only there for one node. */
  isPrivate(name: string): boolean {
    return this.onlyUser(name) !== undefined;
  }

  /** The number of a float32 constant that is one number. */
  scalar(name: string | undefined): number | undefined {
    const tensor = this.body.constants.get(name ?? '');
    return tensor?.type === 'float32' && tensor.bytes.length === 4 && tensor.shape.length === 0 ? Number(numbersOf(tensor)[0]) : undefined;
  }

  /** The other factor of a product, or part of a sum, whose one operand is a constant number close to `value`. */
  besides(node: OnnxNode | undefined, value: number): string | undefined {
    const [one, other] = node?.inputs ?? [];
    const near = (name: string | undefined): boolean => Math.abs((this.scalar(name) ?? Number.NaN) - value) <= 1e-6 * Math.abs(value);
    if (near(other)) return one;
    return near(one) ? other : undefined;
  }
}
