import type { JsonObject } from '../common/json.js';
import type { TransformersType } from '../backbones/backbone.js';
import type { Modality } from '../inputs/input.js';
import type { OnnxPrecision } from './compact-weights.js';
import type { ExportSubject } from './export-subject.js';

/** Types whose inputs are those of a modality, for families that say nothing. */
const usualTypes: Readonly<Record<Modality, TransformersType>> = {
  image: { modelType: 'vit', className: 'ViT' },
  text: { modelType: 'bert', className: 'Bert' },
};

/** What a class for a task is called, by the Hub's name of the task. */
const classEndings: Readonly<Record<string, string>> = {
  'image-classification': 'ForImageClassification',
  'text-classification': 'ForSequenceClassification',
  'token-classification': 'ForTokenClassification',
  'question-answering': 'ForQuestionAnswering',
  'fill-mask': 'ForMaskedLM',
};

/** How transformers.js names files and types of weights by how they are stored. */
export const transformersWeights: Readonly<Record<OnnxPrecision, { readonly file: string; readonly dtype: string }>> = {
  float32: { file: 'onnx/model.onnx', dtype: 'fp32' },
  float16: { file: 'onnx/model_fp16.onnx', dtype: 'fp16' },
  int8: { file: 'onnx/model_quantized.onnx', dtype: 'q8' },
};

/** The Hub's name for what an exported network does. */
export function taskOf({ base, model }: ExportSubject): string {
  const features: Record<Modality, string> = { image: 'image-feature-extraction', text: 'feature-extraction' };
  return model === undefined ? features[base.modality] : model.head.card.pipelineTag[base.modality];
}

/**
 * The `config.json` of an exported folder: by it transformers.js chooses a class, finds the file and names the labels.
 * @param files names of everything in the folder
 */
export function transformersConfig(
  subject: ExportSubject,
  precision: OnnxPrecision,
  files: readonly string[],
  version: string,
): JsonObject {
  const { base, model } = subject;
  const { modelType, className } = base.parts.family.transformersType ?? usualTypes[base.modality];
  const labels = model?.head.card.labels;
  return {
    model_type: modelType,
    architectures: [`${className}${classEndings[taskOf(subject)] ?? 'Model'}`],
    ...(labels === undefined
      ? {}
      : {
          num_labels: labels.length,
          id2label: Object.fromEntries(labels.entries()),
          label2id: Object.fromEntries([...labels.entries()].map(([id, label]) => [label, id])),
        }),
    'transformers.js_config': { dtype: transformersWeights[precision].dtype },
    transferkit_export: { format: 1, version, files },
  };
}
