import { unknownName } from '../common/nearest-name.js';
import type { OnnxModel } from '../graph/onnx-model.js';
import { writeOnnx } from '../graph/write-onnx.js';
import { compactWeights, type OnnxPrecision } from './compact-weights.js';
import { entryOf, type ExportEntry } from './entry.js';
import { exportMetadata } from './export-metadata.js';
import type { ExportSubject } from './export-subject.js';
import { onnxGraph } from './onnx-graph.js';

/** An ONNX file, and what lies beside it in an exported folder. */
export interface OnnxFile {
  readonly bytes: Uint8Array;
  readonly model: OnnxModel;
  readonly entry: ExportEntry;
}

const precisions: readonly string[] = ['float32', 'float16', 'int8'] satisfies OnnxPrecision[];

/** @throws TransferKitError `unknown-name` */
export function checkPrecision(precision: unknown): void {
  if (!precisions.includes(precision as string)) throw unknownName('precision', String(precision), precisions);
}

/** Makes the file of a model or base. */
export async function onnxFile(subject: ExportSubject, precision: OnnxPrecision): Promise<OnnxFile> {
  const entry = await entryOf(subject);
  const metadata = exportMetadata(subject, entry, precision);
  const model = { ...compactWeights(onnxGraph(subject, entry), precision), metadata };
  return { bytes: writeOnnx(model), model, entry };
}
