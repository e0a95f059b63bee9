import type { PretrainedRequest } from './load-pretrained.js';

/** Names that people know, and where the weights are published; the first three ship with the package. */
export const pretrainedNames: Readonly<Record<string, PretrainedRequest>> = Object.freeze({
  'text-small': { backbone: 'static-embedding', source: 'bundled://text-small' },
  'text-transformer': { backbone: 'bert', source: 'bundled://text-transformer' },
  'image-small': { backbone: 'mobilenet-v2', source: 'bundled://image-small' },
  'mobilenet-v2': { backbone: 'mobilenet-v2', source: 'hf://google/mobilenet_v2_1.0_224' },
  'bert-base': { backbone: 'bert', source: 'hf://google-bert/bert-base-uncased' },
  'bert-tiny': { backbone: 'bert', source: 'hf://google/bert_uncased_L-2_H-128_A-2' },
  minilm: { backbone: 'bert', source: 'hf://sentence-transformers/all-MiniLM-L6-v2' },
  'bge-small': { backbone: 'bert', source: 'hf://BAAI/bge-small-en-v1.5' },
  'e5-small': { backbone: 'bert', source: 'hf://intfloat/e5-small-v2' },
  'dinov2-small': { backbone: 'onnx-image', source: 'hf://Xenova/dinov2-small' },
  'potion-8m': { backbone: 'static-embedding', source: 'hf://minishlab/potion-base-8M' },
});
