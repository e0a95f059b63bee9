import { jsonBytes, textBytes } from '../saving/saved-parts.js';
import { version } from '../saving/version.js';
import type { OnnxPrecision } from './compact-weights.js';
import { exportCard, interfaceTable, onnxUsage } from './export-card.js';
import type { ExportSubject } from './export-subject.js';
import type { OnnxFile } from './onnx-export.js';
import { transformersConfig, transformersWeights } from './transformers-config.js';

/** What rounding means for those who use the folder. */
const roundingNotes: Readonly<Record<OnnxPrecision, readonly string[]>> = {
  float32: [],
  float16: ['Its weights are rounded to 16 bits: scores differ a little from those before the export.'],
  int8: ['Its weights are rounded to 8 bits: scores differ from those before the export; evaluate it.'],
};

/** Where the numbers of a folder differ from TransferKit's own. */
export const notesOf = ({ entry }: OnnxFile, precision: OnnxPrecision): string[] => [...entry.notes, ...roundingNotes[precision]];

/**
 * The files of an exported folder by name, laid out as transformers.js and optimum have them.
 * @param name what the card calls it
 */
export function onnxFolder(subject: ExportSubject, file: OnnxFile, precision: OnnxPrecision, name: string): Map<string, Uint8Array> {
  const { file: path } = transformersWeights[precision];
  const { licenseText } = subject.base.provenance;
  const files = new Map<string, Uint8Array>([...file.entry.files, [path, file.bytes]]);
  if (licenseText !== undefined) files.set('LICENSE', textBytes(licenseText));
  const { inputs, outputs } = file.model;
  const facts = {
    library: 'transformers.js',
    usage: onnxUsage(subject, name, path),
    interface: interfaceTable(inputs, outputs, file.entry.preparation),
    notes: notesOf(file, precision),
  };
  files.set('README.md', textBytes(exportCard(subject, name, facts, ['onnx', 'transformers.js'])));
  const names = [...files.keys(), 'config.json'];
  files.set('config.json', jsonBytes(transformersConfig(subject, precision, names, version)));
  return files;
}
