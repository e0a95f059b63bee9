import type { Adapter } from './adapters/adapter.js';
import { readPeft } from './adapters/read-peft.js';
import type { Base } from './base.js';
import { withOrigin } from './common/with-origin.js';
import { TransferKitError } from './errors.js';
import { openCheckpoint, type LoadOptions } from './load-pretrained.js';
import type { Checkpoint, Source } from './sources/source.js';
import { memoryFile } from './weights/byte-file.js';
import { parseJsonObject } from './weights/read-json.js';
import { readSafetensorsHeader, readTensor } from './weights/safetensors.js';
import type { TensorFiles } from './weights/tensor-files.js';
import { noSuchTensor } from './weights/tensor-files.js';

/**
 * Loads an adapter that was saved by `model.saveAdapter`, or by the Python package PEFT as LoRA or DoRA, for a base that is loaded
 * already. The base is left as it is.
 *
 * @param base the base that the adapter was trained for
 * @param from a folder, or `hf://owner/repo`
 * @throws TransferKitError `not-found`, `unsupported` for another method than plain LoRA and DoRA, `weight-mismatch` for an adapter
 *   of another base, `bad-config`, `corrupt-file`, `disposed`
 * @example
 * ```ts
 * import { addHead, classification, createAdapter, loadAdapter, loadPretrained, lora } from 'transferkit';
 *
 * const base = await loadPretrained('./all-MiniLM-L6-v2');
 * const model = addHead(base, classification(['spam', 'ham']));
 * model.useAdapter(createAdapter(base, lora()));
 * await model.saveAdapter('spam-adapter');
 *
 * using adapter = await loadAdapter(base, 'spam-adapter'); // a folder that PEFT wrote serves as well
 * console.log(adapter.describe());
 * ```
 */
export async function loadAdapter(base: Base, from: string | Source, options: LoadOptions = {}): Promise<Adapter> {
  base.assertUsable();
  const checkpoint = await openCheckpoint(from, options.runtime ?? base.parts.runtime, options);
  try {
    return await adapterOf(base, checkpoint);
  } catch (error) {
    throw withOrigin(error, checkpoint.origin);
  } finally {
    await checkpoint.close();
  }
}

/** The adapter that an open folder holds. */
export async function adapterOf(base: Base, checkpoint: Checkpoint): Promise<Adapter> {
  const { origin } = checkpoint;
  const [config, tensors] = await Promise.all(['adapter_config.json', 'adapter_model.safetensors'].map((path) => checkpoint.file(path)));
  if (config === undefined || tensors === undefined) throw noAdapter(origin);
  const files = await tensorsOf(tensors, `adapter_model.safetensors of ${origin}`);
  return readPeft(base, files, parseJsonObject(config, `adapter_config.json of ${origin}`, 'bad-config'), origin);
}

const noAdapter = (origin: string): TransferKitError =>
  new TransferKitError(
    'not-found',
    `"${origin}" holds no adapter.\n  Expected: adapter_model.safetensors and adapter_config.json, as model.saveAdapter and PEFT write them\n` +
      '  Fix: check the path; a whole model is loaded with loadModel, a checkpoint with loadPretrained.',
    { details: { origin } },
  );

/** The tensors of a file in memory. */
export async function tensorsOf(bytes: Uint8Array, origin: string): Promise<TensorFiles> {
  const file = memoryFile(bytes, origin);
  const { tensors } = await readSafetensorsHeader(file);
  const read = (name: string) => {
    const stored = tensors.get(name);
    if (stored === undefined) throw noSuchTensor(origin, name, tensors.keys());
    return readTensor(file, stored);
  };
  return { infos: tensors, read };
}
