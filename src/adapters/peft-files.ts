import type { Base } from '../base.js';
import type { TensorValue } from '../weights/tensor-value.js';
import { publishLayout } from '../weights/layouts.js';
import { writeSafetensors } from '../weights/write-safetensors.js';
import type { Adapter, AdapterWeight } from './adapter.js';
import { peftConfig } from './peft-config.js';
import { moduleNames } from './peft-names.js';

/** What PEFT puts in front of every module's name. */
export const peftPrefix = 'base_model.model.';

/** The weight `lora_a` of our layers, and so on, by PEFT's names. */
export const peftParts = { lora_A: 'lora_a', lora_B: 'lora_b', lora_magnitude_vector: 'magnitude' } as const;

/** Where the base came from, as Python's libraries write it. */
function baseName({ provenance: { origin, revision } }: Base): { name: string; revision: string | null } {
  const repo = /^hf:\/\/([^@]+)/.exec(origin)?.[1];
  return repo === undefined ? { name: origin, revision: null } : { name: repo, revision };
}

/**
 * One weight as PEFT stores it. A: `[rank, in]`, or `[rank, in, height, width]` for a convolution; B: `[out, rank]` or
 * `[out, rank, 1, 1]`; magnitude: `[out]` or `[1, out, 1, 1]`.
 */
async function published({ variable, name }: AdapterWeight, isConvolution: boolean): Promise<readonly [part: string, value: TensorValue]> {
  const value: TensorValue = { shape: variable.shape, values: (await variable.data()) as Float32Array };
  const [out] = value.shape.slice(-1) as [number];
  if (name.endsWith('/lora_a')) return ['lora_A.weight', publishLayout(value, isConvolution ? 'conv2d' : 'linear')];
  if (name.endsWith('/magnitude')) return ['lora_magnitude_vector', isConvolution ? { ...value, shape: [1, out, 1, 1] } : value];
  const turned = publishLayout(value, 'linear');
  return ['lora_B.weight', isConvolution ? { ...turned, shape: [...turned.shape, 1, 1] } : turned];
}

/**
 * An adapter as PEFT's two files.
 * @returns `peft` is false where the base's layers have no names in PyTorch and ours stand in their place
 */
export async function peftFiles(adapter: Adapter): Promise<{ files: Map<string, Uint8Array>; peft: boolean }> {
  const { base, recipe } = adapter;
  const naming = moduleNames(base)[0]!;
  const moduleOf = new Map([...naming.layers].map(([module, layer]) => [layer, module]));
  const weights = adapter.weights();
  const convolutions = new Set(weights.filter(({ variable }) => variable.rank === 4).map(({ layerName }) => layerName));
  const tensors = new Map<string, TensorValue>();
  for (const weight of weights) {
    const [part, value] = await published(weight, convolutions.has(weight.layerName));
    tensors.set(`${peftPrefix}${moduleOf.get(weight.layerName)!}.${part}`, value);
  }
  const modules = adapter.layers.map(({ layer, rank, alpha }) => ({ name: moduleOf.get(layer)!, rank, alpha }));
  const config = peftConfig({ ...recipe, modules, base: baseName(base) });
  const files = new Map([
    ['adapter_config.json', new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`)],
    ['adapter_model.safetensors', writeSafetensors(tensors, { format: 'pt' })],
  ]);
  return { files, peft: naming.torch };
}
