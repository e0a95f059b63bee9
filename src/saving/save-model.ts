import { modelCard, type ModelCardFacts } from './model-card.js';
import { checkSaveTarget } from './save-target.js';
import type { AnyModel } from '../training/weight-set.js';
import { savedAdapterOf } from './saved-adapter.js';
import { jsonBytes, originOf, readWeights, textBytes } from './saved-parts.js';
import { version } from './version.js';
import { writeSafetensors } from '../weights/write-safetensors.js';

/** What `config.json` of a saved model says: enough to build it again, and what the Hub shows. */
function savedConfig(model: AnyModel) {
  const { base, head, adapter } = model;
  const { family, config, processor, attached, layout } = base.parts;
  const { labels } = head.card;
  return {
    model_type: 'transferkit',
    transferkit: {
      format: 1,
      version,
      backbone: { name: family.name, config },
      head: { name: head.name, config: head.config },
      input: processor.recipe,
      freeze: base.freeze,
      base: originOf(base),
      ...(layout === undefined ? {} : { layout }),
      ...(adapter === undefined ? {} : { adapter: savedAdapterOf(adapter) }),
      companions: [...processor.files.keys(), ...(attached?.files.keys() ?? [])],
    },
    ...(labels === undefined
      ? {}
      : {
          id2label: Object.fromEntries(labels.entries()),
          label2id: Object.fromEntries([...labels.entries()].map(([id, label]) => [label, id])),
        }),
  };
}

/** The facts of the model card. */
export function cardFacts(model: AnyModel, name: string): ModelCardFacts {
  const { base, head, record } = model;
  const { training, metrics } = record;
  return {
    name,
    modality: base.modality,
    pipelineTag: head.card.pipelineTag[base.modality],
    branches: head.branches,
    ...(head.card.labels === undefined ? {} : { labels: head.card.labels }),
    base: { family: base.parts.family.name, ...originOf(base) },
    ...(training === undefined
      ? {}
      : {
          training: {
            data: training.data,
            examples: training.plan.examples,
            classCounts: training.classCounts,
            recipe: training.plan.decisions,
          },
        }),
    ...(metrics === undefined ? {} : { metrics: { data: metrics.data, count: metrics.count, values: metrics.figures } }),
  };
}

/**
 * The files of a saved model by name; see `Model.save`.
 * @param name what the model card calls it
 */
export async function savedFiles(model: AnyModel, name: string): Promise<Map<string, Uint8Array>> {
  const { base, record } = model;
  const { processor, attached, provenance } = base.parts;
  const files = new Map<string, Uint8Array>([...processor.files, ...(attached?.files ?? [])]);
  files.set('config.json', jsonBytes(savedConfig(model)));
  files.set('model.safetensors', writeSafetensors(await readWeights(model.weights()), { format: 'transferkit' }));
  if (record.training !== undefined) files.set('training.json', jsonBytes(record.training));
  if (record.metrics !== undefined) files.set('metrics.json', jsonBytes(record.metrics));
  if (provenance.licenseText !== undefined) files.set('LICENSE', textBytes(provenance.licenseText));
  files.set('README.md', textBytes(modelCard(cardFacts(model, name))));
  return files;
}

/** The last part of a path. */
export const nameOf = (path: string): string =>
  path
    .replace(/[\\/]+$/, '')
    .split(/[\\/]/)
    .at(-1) ?? path;

/** Writes a model's folder; see `Model.save`. */
export async function saveModel(model: AnyModel, path: string): Promise<void> {
  const { runtime } = model.base.parts;
  await checkSaveTarget(path, runtime);
  await runtime.writeFolder(path, await savedFiles(model, nameOf(path)));
}
