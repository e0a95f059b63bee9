import { originOf } from '../saving/saved-parts.js';
import { version } from '../saving/version.js';
import type { OnnxPrecision } from './compact-weights.js';
import type { ExportEntry } from './entry.js';
import type { ExportSubject } from './export-subject.js';

/** What is told inside a file beside the network: how inputs are prepared, and what the outputs mean. Values are texts, or JSON. */
export function exportMetadata({ base, model }: ExportSubject, entry: ExportEntry, precision: OnnxPrecision): Record<string, string> {
  const { family, processor } = base.parts;
  const { labels, pipelineTag } = model?.head.card ?? {};
  return {
    'transferkit.version': version,
    'transferkit.backbone': family.name,
    'transferkit.base': JSON.stringify(originOf(base)),
    'transferkit.input': JSON.stringify(processor.recipe),
    'transferkit.preparation': entry.preparation,
    'transferkit.weights': precision,
    ...(pipelineTag === undefined ? {} : { 'transferkit.task': pipelineTag[base.modality] }),
    ...(labels === undefined
      ? {}
      : { 'transferkit.labels': JSON.stringify(labels), 'transferkit.outputs': 'logits before softmax, one for each label' }),
  };
}
