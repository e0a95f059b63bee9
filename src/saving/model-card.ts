import type { Modality } from '../inputs/input.js';
import { yaml, type YamlValue } from './yaml-text.js';

/** What a model card tells. Everything that is absent is left out, or said to be unknown. */
export interface ModelCardFacts {
  /** The model's name: the last part of its folder. */
  readonly name: string;
  readonly modality: Modality;
  /** The Hub's name for the task: `image-classification`. */
  readonly pipelineTag: string;
  /** Inputs per example. Default 1. */
  readonly branches?: number;
  readonly labels?: readonly string[];
  readonly base: {
    /** `mobilenet-v2` */
    readonly family: string;
    /** Where it came from: `hf://owner/repo`, a path, an address. */
    readonly origin: string;
    readonly revision?: string;
    /** SPDX identifier or what the source says: `apache-2.0`. */
    readonly license?: string;
  };
  readonly training?: {
    /** Name of the data: a folder, a file. */
    readonly data: string;
    readonly examples: { readonly train: number; readonly validation: number };
    /** Training examples per label. */
    readonly classCounts?: Readonly<Record<string, number>>;
    /** The recipe in plain words, one line a decision. */
    readonly recipe: readonly string[];
  };
  readonly metrics?: {
    /** Name of the data the figures were taken on. */
    readonly data: string;
    readonly count: number;
    readonly values: Readonly<Record<string, number>>;
  };
  /** More tags for the Hub. */
  readonly tags?: readonly string[];
  /** For a folder that another library loads. */
  readonly exported?: ExportedFacts;
}

/** What the card of an exported model tells beside. */
export interface ExportedFacts {
  /** The Hub's name for the library that loads the folder: `transformers.js`. */
  readonly library: string;
  /** False for a base without a head. */
  readonly hasHead: boolean;
  /** Markdown that shows how to use it. */
  readonly usage: string;
  /** What goes in and what comes out, in Markdown. */
  readonly interface: string;
  /** In what its numbers may differ from TransferKit's, one sentence each. */
  readonly notes: readonly string[];
}

/** The Hub's identifiers for figures that we call otherwise. */
const hubMetrics = new Map([
  ['macroF1', 'f1'],
  ['weightedF1', 'f1'],
  ['pearson', 'pearsonr'],
  ['spearman', 'spearmanr'],
  ['meanAbsoluteError', 'mae'],
  ['rootMeanSquaredError', 'rmse'],
]);

const hubMetric = (name: string): string => hubMetrics.get(name) ?? (/^top\d+Accuracy$/.test(name) ? 'accuracy' : name);

/** `top5Accuracy` -> `top 5 accuracy`, `macroF1` -> `macro F1`. */
const inWords = (name: string): string =>
  name
    .replace(/(\d+)(?=[A-Z])/g, ' $1')
    .replace(/([a-z\d])([A-Z])(?!\d)/g, (_, before: string, after: string) => `${before} ${after.toLowerCase()}`)
    .replace(/([a-z])([A-Z]\d)/g, '$1 $2');

const oneLine = (text: string): string => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();

/** A text as Markdown shows it literally, whatever it holds. */
function code(text: string): string {
  const line = oneLine(text) || ' ';
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = '`'.repeat(longest + 1);
  return longest === 0 ? `${fence}${line}${fence}` : `${fence} ${line} ${fence}`;
}

/** The same inside a table, where a bar would end the cell. */
const cell = (text: string): string => code(text).replace(/\|/g, '\\|');
const plain = (text: string): string => oneLine(text).replace(/[\\`*_{}[\]<>#|]/g, '\\$&');
/** A figure that is not defined is null in a saved record. */
function figure(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return 'not defined';
  return Number.isInteger(value) ? value.toLocaleString('en-US') : value.toFixed(4);
}
const some = (count: number): string => `${count.toLocaleString('en-US')} example${count === 1 ? '' : 's'}`;

/** `owner/repo` of a base that came from the Hub. The Hub refuses other values of `base_model`. */
const hubId = (origin: string): string | undefined => /^hf:\/\/([\w.-]+\/[\w.-]+)(?:@|\/|$)/.exec(origin)?.[1];

/** The figures as the Hub lists them beside the model. */
function modelIndex({ name, pipelineTag, metrics }: ModelCardFacts): YamlValue | undefined {
  const figures = Object.entries(metrics?.values ?? {}).filter(([, value]) => Number.isFinite(value));
  if (metrics === undefined || figures.length === 0) return undefined;
  const dataset = { name: metrics.data, type: metrics.data };
  const listed = figures.map(([metric, value]) => ({ type: hubMetric(metric), name: inWords(metric), value }));
  return [{ name, results: [{ task: { type: pipelineTag }, dataset, metrics: listed }] }];
}

function frontMatter(facts: ModelCardFacts): YamlValue {
  const { pipelineTag, base, metrics, tags = [], exported } = facts;
  const id = hubId(base.origin);
  const index = modelIndex(facts);
  return {
    license: base.license?.toLowerCase(),
    library_name: exported?.library ?? 'transferkit',
    pipeline_tag: pipelineTag,
    base_model: id,
    base_model_relation: id === undefined ? undefined : 'finetune',
    tags: [...new Set(['transferkit', 'tensorflow.js', base.family, ...tags])],
    metrics: index === undefined ? undefined : [...new Set(Object.keys(metrics!.values).map(hubMetric))],
    'model-index': index,
  };
}

const exampleInputs: Readonly<Record<Modality, string>> = { image: "'photo.jpg'", text: "'A sentence of yours.'" };

function usage({ name, modality, branches = 1 }: ModelCardFacts): string {
  const inputs = Array.from({ length: branches }, () => exampleInputs[modality]).join(', ');
  const given = branches === 1 ? inputs : `[${inputs}]`;
  const folder = JSON.stringify(`./${oneLine(name)}`).replace(/`/g, '\\u0060');
  return [
    '```ts',
    "import { loadModel } from 'transferkit';",
    '',
    `const model = await loadModel(${folder});`,
    `console.log(await model.predict(${given}));`,
    '```',
  ].join('\n');
}

/** At most this many labels are written out; the others are in the folder's config. */
const labelsShown = 200;

function labelSection({ labels, training }: ModelCardFacts): string | undefined {
  if (labels === undefined || labels.length === 0) return undefined;
  const counts = new Map(Object.entries(training?.classCounts ?? {}));
  const shown = labels.slice(0, labelsShown);
  const rest = labels.length - shown.length;
  const more = rest > 0 ? `\n\nand ${rest.toLocaleString('en-US')} more, listed in the config of this folder.` : '';
  if (counts.size === 0) return `${shown.map(code).join(', ')}${more}`;
  const rows = shown.map((label) => `| ${cell(label)} | ${(counts.get(label) ?? 0).toLocaleString('en-US')} |`);
  return ['| label | training examples |', '|---|---:|', ...rows].join('\n') + more;
}

function baseSection({ base }: ModelCardFacts): string {
  const revision = base.revision === undefined ? '' : `, revision ${code(base.revision)}`;
  const license =
    base.license === undefined
      ? 'Its licence is not known: look it up before you publish this model.'
      : `Its licence is ${code(base.license)}; it holds for these weights too.`;
  return `${plain(base.family)} from ${code(base.origin)}${revision}. ${license}`;
}

function trainingSection({ training }: ModelCardFacts): string {
  if (training === undefined) return 'The head of this model has not been trained.';
  const { data, examples, recipe } = training;
  const validated = examples.validation === 0 ? 'no validation' : `${some(examples.validation)} for validation`;
  return [
    `Trained on ${some(examples.train)} of ${code(data)}, ${validated}.`,
    ...(recipe.length === 0 ? [] : ['', ...recipe.map((line) => `- ${plain(line)}`)]),
  ].join('\n');
}

function metricsSection({ metrics }: ModelCardFacts): string {
  if (metrics === undefined) return 'This model has not been evaluated.';
  const rows = Object.entries(metrics.values).map(([name, value]) => `| ${plain(inWords(name))} | ${figure(value)} |`);
  return [`On ${some(metrics.count)} of ${code(metrics.data)}:`, '', '| figure | value |', '|---|---:|', ...rows].join('\n');
}

function limits({ labels, metrics, training, exported }: ModelCardFacts): string {
  return [
    ...(exported?.notes ?? []),
    ...(labels === undefined
      ? []
      : [
          'It always answers with one of its labels, also for an input that belongs to none of them.',
          'Its confidence is not calibrated: 0.9 need not mean right nine times in ten.',
        ]),
    metrics === undefined
      ? 'How well it works is not known; evaluate it on examples it has not seen.'
      : 'The figures hold for inputs like those it was evaluated on, and no others.',
    ...(training !== undefined && training.examples.train < 500
      ? [`It has seen only ${some(training.examples.train)}; expect surprises on inputs that look different.`]
      : []),
    'What the base learnt from its own data, its biases included, is still in it.',
  ]
    .map((line) => `- ${line}`)
    .join('\n');
}

/**
 * A model card: the README.md of a saved model, with the front matter that the Hugging Face Hub reads.
 *
 * @param facts what is known; texts may hold anything, they are escaped
 * @returns Markdown
 * @source https://huggingface.co/docs/hub/model-cards
 * @example
 * ```ts
 * const text = modelCard({
 *   name: 'flowers', modality: 'image', pipelineTag: 'image-classification', labels: ['daisy', 'rose'],
 *   base: { family: 'mobilenet-v2', origin: 'hf://google/mobilenet_v2_1.0_224', license: 'apache-2.0' },
 * });
 * ```
 */
export function modelCard(facts: ModelCardFacts): string {
  const labels = labelSection(facts);
  const { base, exported } = facts;
  const into = facts.labels === undefined ? '' : ` into ${facts.labels.length.toLocaleString('en-US')} labels`;
  const head = exported?.hasHead === false ? 'without a head' : `with a head for ${plain(facts.pipelineTag)}${into}`;
  const runs = exported === undefined ? ' It runs in Node and in the browser.' : '';
  const what = `${code(base.family)} ${head}, made with TransferKit.${runs}`;
  const learnt: readonly (readonly [string, string | undefined])[] =
    exported?.hasHead === false
      ? []
      : [
          ['Training', trainingSection(facts)],
          ['Results', metricsSection(facts)],
        ];
  const sections: readonly (readonly [string, string | undefined])[] = [
    ['How to use', exported?.usage ?? usage(facts)],
    ['Inputs and outputs', exported?.interface],
    ['Labels', labels],
    ['Base', baseSection(facts)],
    ...learnt,
    ['Limits', limits(facts)],
  ];
  const body = sections.flatMap(([title, text]) => (text === undefined ? [] : [`## ${title}\n\n${text}`]));
  return `---\n${yaml(frontMatter(facts))}\n---\n\n${[`# ${plain(facts.name)}`, what, ...body].join('\n\n')}\n`;
}
