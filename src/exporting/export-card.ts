import type { OnnxValue } from '../graph/onnx-model.js';
import { modelCard, type ExportedFacts, type ModelCardFacts } from '../saving/model-card.js';
import { cardFacts } from '../saving/save-model.js';
import { originOf } from '../saving/saved-parts.js';
import type { ExportSubject } from './export-subject.js';
import { taskOf } from './transformers-config.js';

/** What a base's card is made from; a model's is that of its saved folder. */
function factsOf(subject: ExportSubject, name: string): ModelCardFacts {
  const { base, model } = subject;
  if (model !== undefined) return cardFacts(model, name);
  return { name, modality: base.modality, pipelineTag: taskOf(subject), base: { family: base.parts.family.name, ...originOf(base) } };
}

/** The card of an exported folder. */
export function exportCard(
  subject: ExportSubject,
  name: string,
  exported: Omit<ExportedFacts, 'hasHead'>,
  tags: readonly string[],
): string {
  return modelCard({ ...factsOf(subject, name), tags, exported: { ...exported, hasHead: subject.model !== undefined } });
}

const folderOf = (name: string): string => JSON.stringify(`./${name.replace(/[\s`]+/g, ' ').trim()}`);

/** How transformers.js runs a task, by the Hub's name of it. */
const usages: Readonly<Record<string, (folder: string) => readonly string[]>> = {
  'image-classification': (folder) => [
    "import { pipeline } from '@huggingface/transformers';",
    '',
    `const classify = await pipeline('image-classification', ${folder});`,
    "console.log(await classify('photo.jpg'));",
  ],
  'text-classification': (folder) => [
    "import { pipeline } from '@huggingface/transformers';",
    '',
    `const classify = await pipeline('text-classification', ${folder});`,
    "console.log(await classify('A sentence of yours.', { top_k: null }));",
  ],
  'image-feature-extraction': (folder) => [
    "import { pipeline } from '@huggingface/transformers';",
    '',
    `const extract = await pipeline('image-feature-extraction', ${folder});`,
    "console.log(await extract('photo.jpg', { pool: true }));",
  ],
  'feature-extraction': (folder) => [
    "import { AutoModel, AutoTokenizer } from '@huggingface/transformers';",
    '',
    `const tokenizer = await AutoTokenizer.from_pretrained(${folder});`,
    `const model = await AutoModel.from_pretrained(${folder});`,
    "const { sentence_embedding } = await model(tokenizer('A sentence of yours.', { truncation: true }));",
  ],
};

const plainUsage = (file: string): readonly string[] => [
  "import { InferenceSession } from 'onnxruntime-node';",
  '',
  `const session = await InferenceSession.create(${JSON.stringify(file)});`,
  'console.log(session.inputNames, session.outputNames);',
];

/** A block of code that runs the folder in transformers.js, or its file in ONNX Runtime where transformers.js has no such task. */
export function onnxUsage(subject: ExportSubject, name: string, file: string): string {
  const task = taskOf(subject);
  const lines = Object.hasOwn(usages, task) ? usages[task]!(folderOf(name)) : plainUsage(file);
  return ['```js', ...lines, '```'].join('\n');
}

/** Inputs and outputs as a table, and how inputs are made. */
export function interfaceTable(inputs: readonly OnnxValue[], outputs: readonly OnnxValue[], preparation: string): string {
  const rows = (kind: string, values: readonly OnnxValue[]): string[] =>
    values.map(({ name, type, shape }) => `| ${kind} | \`${name}\` | ${type} [${shape.join(', ')}] |`);
  return ['| | name | tensor |', '|---|---|---|', ...rows('in', inputs), ...rows('out', outputs), '', preparation].join('\n');
}
