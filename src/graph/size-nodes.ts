import type { FreeConstants, FreeSize, Size } from './align-recordings.js';
import type { OnnxNode, OnnxTensor } from './onnx-model.js';
import type { TensorPlaceholder } from '../engines/engine.js';
import { tensorOf } from './tensor-bytes.js';

/** Nodes that work free sizes out while the graph runs, and the constants that they need. */
export interface SizeNodes {
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, OnnxTensor>;
}

/**
 * Writes constants that follow free sizes as nodes: a free size is read off the shape of an input, then multiplied, then put
 * between those that are known.
 */
export function freeSizeNodes(free: FreeConstants, inputs: readonly TensorPlaceholder[]): SizeNodes {
  const nodes: OnnxNode[] = [];
  const constants = new Map<string, OnnxTensor>();
  const made = new Map<string, string>();
  const once = (key: string, make: () => void): string => {
    if (!made.has(key)) {
      made.set(key, key);
      make();
    }
    return key;
  };
  const node = (operator: string, from: readonly string[], to: string, attributes: OnnxNode['attributes'] = {}): void => {
    nodes.push({ operator, inputs: from, outputs: [to], attributes });
  };
  const known = (number: number): string =>
    once(`size/${number}`, () => constants.set(`size/${number}`, tensorOf({ type: 'int64', shape: [1], numbers: [number] })));
  const single = (name: string): string =>
    once(`size/${name}`, () => {
      const { input, axis } = whereIs(name, inputs);
      node('Shape', [input], `size/${name}`, { start: { int: axis }, end: { int: axis + 1 } });
    });
  const product = ({ factor, names }: FreeSize): string => {
    const parts = [...names.map(single), ...(factor === 1 ? [] : [known(factor)])];
    return parts
      .slice(1)
      .reduce((left, right) => once(`${left}*${right}`, () => node('Mul', [left, right], `${left}*${right}`)), parts[0]!);
  };
  const sum = (left: string, right: string): string => once(`${left}+${right}`, () => node('Add', [left, right], `${left}+${right}`));
  const name = (size: Size): string => {
    if (typeof size === 'number') return known(size);
    return size.offset === 0 ? product(size) : sum(product(size), known(size.offset));
  };
  const float = (size: Size): string =>
    once(`${name(size)}/float`, () => {
      node('Squeeze', [name(size)], `${name(size)}/scalar`);
      node('Cast', [`${name(size)}/scalar`], `${name(size)}/float`, { to: { int: 1 } });
    });
  for (const [constant, what] of free) {
    if (what.kind === 'sizes') node('Concat', what.sizes.map(name), constant, { axis: { int: 0 } });
    else node(what.kind === 'float' ? 'Identity' : 'Reciprocal', [float(what.size)], constant);
  }
  return { nodes, constants };
}

function whereIs(name: string, inputs: readonly TensorPlaceholder[]): { input: string; axis: number } {
  for (const { name: input, shape } of inputs) if (shape.includes(name)) return { input, axis: shape.indexOf(name) };
  throw new Error(`no input has the size "${name}"`);
}
