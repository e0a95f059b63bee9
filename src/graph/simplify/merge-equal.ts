import type { OnnxTensor } from '../onnx-model.js';
import type { Pass } from '../simplify.js';
import { Renames } from './rename.js';

/** Largest constant whose bytes are compared; larger ones come from one place each already. */
const comparedBytes = 512;

const keyOf = ({ type, shape, bytes }: OnnxTensor): string => `${type} ${shape.join()} ${bytes.join()}`;

/** What is computed twice is computed once; equal small constants are one. */
export const mergeEqual: Pass = (body) => {
  const renames = new Renames();
  const seen = new Map<string, readonly string[]>();
  const constants = new Map<string, OnnxTensor>();
  for (const [name, tensor] of body.constants) {
    const key = tensor.bytes.length <= comparedBytes ? keyOf(tensor) : undefined;
    const twin = key === undefined ? undefined : seen.get(key);
    if (twin !== undefined) renames.set(name, twin[0]!);
    else {
      constants.set(name, tensor);
      if (key !== undefined) seen.set(key, [name]);
    }
  }
  const nodes = [];
  for (const node of body.nodes) {
    const renamed = renames.inputsOf(node);
    const key = JSON.stringify([renamed.operator, renamed.domain, renamed.inputs, renamed.attributes, renamed.outputs.length]);
    const twin = node.outputs.some((name) => body.outputs.has(name)) ? undefined : seen.get(key);
    if (twin !== undefined) node.outputs.forEach((name, index) => renames.set(name, twin[index]!));
    else {
      nodes.push(renamed);
      if (!seen.has(key)) seen.set(key, renamed.outputs);
    }
  }
  return { ...body, nodes, constants };
};
