import { peftFiles } from '../adapters/peft-files.js';
import { settleWeights } from '../engines/settle-weights.js';
import { TransferKitError } from '../errors.js';
import { namedWeights } from '../layers/named-weights.js';
import type { AnyModel } from '../training/weight-set.js';
import { writeSafetensors } from '../weights/write-safetensors.js';
import { jsonBytes, originOf, readWeights } from './saved-parts.js';
import { adapterRecordFile } from './saved-adapter.js';
import { checkAdapterTarget } from './save-target.js';
import { version } from './version.js';

/**
 * The files of a saved adapter by name; see `Model.saveAdapter`.
 * @throws TransferKitError `bad-option` for a model without an adapter
 */
async function adapterFiles(model: AnyModel): Promise<{ files: Map<string, Uint8Array>; peft: boolean }> {
  const { base, head, adapter, record } = model;
  if (adapter === undefined) {
    throw new TransferKitError(
      'bad-option',
      'this model has no adapter to save.\n  Fix: train one with fineTune(model, data, { adapter: lora() }), or save the whole model with model.save(path).',
    );
  }
  settleWeights(base.engine, model.weights());
  const { files, peft } = await peftFiles(adapter);
  const { family, config } = base.parts;
  const own = {
    format: 1,
    version,
    backbone: { name: family.name, config },
    base: originOf(base),
    head: { name: head.name, config: head.config },
  };
  files.set('head.safetensors', writeSafetensors(await readWeights(namedWeights(model.headModel)), { format: 'transferkit' }));
  files.set(adapterRecordFile, jsonBytes(own));
  if (record.training !== undefined) files.set('training.json', jsonBytes(record.training));
  if (record.metrics !== undefined) files.set('metrics.json', jsonBytes(record.metrics));
  return { files, peft };
}

/** Writes an adapter's folder; see `Model.saveAdapter`. */
export async function saveAdapter(model: AnyModel, path: string): Promise<{ readonly peft: boolean }> {
  const { runtime } = model.base.parts;
  await checkAdapterTarget(path, runtime);
  const { files, peft } = await adapterFiles(model);
  await runtime.writeFolder(path, files);
  return { peft };
}
