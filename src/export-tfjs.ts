import type { Base } from './base.js';
import { disposeModel } from './layers/dispose-model.js';
import { nameOf } from './saving/save-model.js';
import type { AnyModel } from './training/weight-set.js';

/** What was written. */
export interface TfjsExport {
  /** Every file's path within the folder. */
  readonly files: readonly string[];
}

/**
 * Writes a model or base as a folder that plain TensorFlow.js loads with `tf.loadLayersModel`, without this package: base and head in
 * one network, of tfjs's own layers. Networks for photos are made of such layers, nearly all; attention and what else texts need are not.
 *
 * Input: photos as the recipe leaves them, float32 [batch, height, width, 3]; the recipe is in `userDefinedMetadata` of `model.json`.
 * Output: a model's scores before softmax, or a base's pooled features. An adapter is merged. The folder appears whole or not at all;
 * an earlier export at the same path is replaced, anything else is left alone.
 *
 * @param path a folder's path, or `file://` and a path
 * @throws TransferKitError `unsupported` naming a layer that tfjs has no equal of; `bad-option` for a place that holds anything but an
 *   export; `storage`, `disposed`
 * @example
 * ```ts
 * import { exportTfjs, loadModel } from 'transferkit';
 *
 * const model = await loadModel('flowers-model');
 * const { files } = await exportTfjs(model, 'flowers-tfjs');
 * console.log(files); // model.json, group1-shard1of1.bin, README.md
 * ```
 */
export async function exportTfjs(model: AnyModel | Base, path: string): Promise<TfjsExport> {
  const { checkExportTarget, exportSubject, plainModel, tfjsFolder } = await import('./exporting/as-tfjs.js');
  const subject = exportSubject('exportTfjs', model);
  const { runtime } = subject.base.parts;
  await checkExportTarget(path, 'model.json', runtime);
  const network = plainModel(subject);
  try {
    const files = await tfjsFolder(subject, network, nameOf(path));
    await runtime.writeFolder(path, files);
    return { files: [...files.keys()].sort() };
  } finally {
    disposeModel(network);
  }
}
