import type { OnnxFileValue } from '../../graph/read-onnx.js';
import { badGraph, type GraphInput } from './graph-config.js';
import { inputTypes } from './graph-values.js';

/** What the inputs of a family's graphs are called in published files, and what they take. */
export type InputRoles = Readonly<Record<string, string>>;

const show = ({ name, type, shape }: OnnxFileValue): string => `"${name}" (${type ?? 'any type'} [${(shape ?? ['?']).join(', ')}])`;

/** What an input takes; the only input of a graph may have any name where the family takes one thing. */
function roleOf(input: OnnxFileValue, inputs: readonly OnnxFileValue[], roles: InputRoles): string | undefined {
  const [only, ...more] = new Set(Object.values(roles));
  return roles[input.name] ?? (inputs.length === 1 && more.length === 0 && input.shape?.length === 4 ? only : undefined);
}

/**
 * Whether a graph takes one example at a time.
 * @throws TransferKitError `bad-config` for one that takes a fixed number of them
 */
export function takesOne(where: string, inputs: readonly OnnxFileValue[]): boolean {
  const counts = inputs.map(({ shape }) => shape?.[0]).filter((size) => typeof size === 'number');
  if (counts.every((count) => count === 1)) return counts.length > 0;
  const fix = 'export the graph with a free batch axis, or with a batch of one.';
  throw badGraph(`${where} takes batches of one size only`, 'any number of examples, or one', inputs.map(show).join(', '), fix);
}

/**
 * The inputs of a graph and what they take.
 * @param where the graph, for messages
 * @throws TransferKitError `bad-config` for one that nothing is known to go into
 */
export function graphInputs(where: string, inputs: readonly OnnxFileValue[], roles: InputRoles): GraphInput[] {
  const expected = `inputs out of ${Object.keys(roles).join(', ')}`;
  const fix = 'choose the file of the encoder alone, such as config: { file: "onnx/encoder_model.onnx" }; or write a family of your own.';
  if (inputs.length === 0) throw badGraph(`${where} takes no inputs`, expected, 'none', fix);
  return inputs.map((input): GraphInput => {
    const takes = roleOf(input, inputs, roles);
    const { name, type } = input;
    if (takes === undefined) throw badGraph(`${where} must be fed with "${name}"`, expected, inputs.map(show).join(', '), fix);
    if (type !== undefined && inputTypes.includes(type)) return { name, type, takes };
    throw badGraph(`"${name}" of ${where} cannot be fed`, `numbers of type ${inputTypes.join(', ')}`, type ?? 'no type', fix);
  });
}
