import type { OnnxNode } from '../onnx-model.js';

/** Names that stand for others. */
export class Renames {
  readonly #to = new Map<string, string>();

  set(from: string, to: string): void {
    this.#to.set(from, this.get(to));
  }

  get(name: string): string {
    return this.#to.get(name) ?? name;
  }

  inputsOf(node: OnnxNode): OnnxNode {
    if (!node.inputs.some((name) => this.#to.has(name))) return node;
    return { ...node, inputs: node.inputs.map((name) => this.get(name)) };
  }
}
