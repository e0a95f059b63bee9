import type { Base } from './base.js';
import { checkOptions } from './data/check-options.js';
import type { OnnxPrecision } from './exporting/compact-weights.js';
import { nameOf } from './saving/save-model.js';
import type { AnyModel } from './training/weight-set.js';

export type { OnnxPrecision } from './exporting/compact-weights.js';

/** Options of `exportOnnx` and `toOnnx`. */
export interface OnnxOptions {
  /**
   * How kernels and tables are stored; everything is computed in float32 in all cases. `float16` halves the file, `int8` makes it a
   * quarter, rounding to 8 bits with a scale for each output or row. Default `float32`.
   */
  readonly precision?: OnnxPrecision;
}

/** What was written. */
export interface OnnxExport {
  /** Every file's path within the folder. */
  readonly files: readonly string[];
  /** Size of the network's file, in bytes. */
  readonly bytes: number;
  /** Where other libraries may give other numbers than TransferKit, one sentence each; the folder's README tells them too. */
  readonly notes: readonly string[];
}

/**
 * The network of a model or base as the bytes of an `.onnx` file, which ONNX Runtime runs anywhere.
 *
 * Inputs have the names of transformers: `pixel_values`, float32 [batch, 3, height, width], normalised; or `input_ids`,
 * `attention_mask` and, where the network has them, `token_type_ids`, int64 [batch, tokens]. A model gives `logits`, scores before
 * softmax; a base `last_hidden_state`, and its pooled features as `pooler_output` (photos) or `sentence_embedding` (texts). An adapter
 * is merged. The file's metadata tells how inputs are prepared, the labels, and what the network was made from.
 *
 * @throws TransferKitError `unsupported` naming an operation that ONNX cannot hold, or inputs that other libraries cannot prepare;
 *   `unknown-name` for a precision; `bad-option`, `too-large`, `disposed`
 * @example
 * ```ts
 * import { loadModel, toOnnx } from 'transferkit';
 *
 * const model = await loadModel('flowers-model');
 * const bytes = await toOnnx(model, { precision: 'float16' });
 * console.log(`${bytes.length} bytes`);
 * ```
 */
export async function toOnnx(model: AnyModel | Base, options: OnnxOptions = {}): Promise<Uint8Array> {
  checkOptions('toOnnx', options, ['precision']);
  const { precision = 'float32' } = options;
  const { checkPrecision, exportSubject, onnxFile } = await import('./exporting/as-onnx.js');
  checkPrecision(precision);
  return (await onnxFile(exportSubject('toOnnx', model), precision)).bytes;
}

/**
 * Writes a model or base as a folder that transformers.js loads by its path, as other libraries of Hugging Face do: the network as ONNX,
 * its config with the labels, what prepares photos or texts, and a card. The folder appears whole or not at all; an earlier export at
 * the same path is replaced, anything else is left alone.
 *
 * @param path a folder's path, or `file://` and a path
 * @throws TransferKitError what `toOnnx` throws; `bad-option` for a place that holds anything but an export; `storage`
 * @example
 * ```ts
 * import { exportOnnx, loadModel } from 'transferkit';
 *
 * const model = await loadModel('flowers-model');
 * const { files, notes } = await exportOnnx(model, 'flowers-onnx', { precision: 'int8' });
 * console.log(files, notes);
 * ```
 */
export async function exportOnnx(model: AnyModel | Base, path: string, options: OnnxOptions = {}): Promise<OnnxExport> {
  checkOptions('exportOnnx', options, ['precision']);
  const { precision = 'float32' } = options;
  const { checkExportTarget, checkPrecision, exportSubject, notesOf, onnxFile, onnxFolder } = await import('./exporting/as-onnx.js');
  checkPrecision(precision);
  const subject = exportSubject('exportOnnx', model);
  const { runtime } = subject.base.parts;
  await checkExportTarget(path, 'config.json', runtime);
  const file = await onnxFile(subject, precision);
  const files = onnxFolder(subject, file, precision, nameOf(path));
  await runtime.writeFolder(path, files);
  return { files: [...files.keys()].sort(), bytes: file.bytes.length, notes: notesOf(file, precision) };
}
