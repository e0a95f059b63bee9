/** Pieces that every saved folder is made of. */
import type { Base, Provenance } from '../base.js';
import type { WeightTarget } from '../weights/fill-model.js';
import type { TensorValue } from '../weights/tensor-value.js';

export const textBytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const jsonBytes = (value: unknown): Uint8Array => textBytes(`${JSON.stringify(value, null, 2)}\n`);

/** Weights as numbers, by name. */
export async function readWeights(weights: ReadonlyMap<string, Pick<WeightTarget, 'read'>>): Promise<Map<string, TensorValue>> {
  const values = new Map<string, TensorValue>();
  for (const [name, weight] of weights) {
    const tensor = weight.read();
    values.set(name, { shape: tensor.shape, values: (await tensor.data()) as Float32Array | Int32Array });
  }
  return values;
}

/** Where a base came from, without the text of its licence. */
export function originOf({ provenance }: Base): Omit<Provenance, 'licenseText'> {
  const { licenseText: _text, ...origin } = provenance;
  return origin;
}
