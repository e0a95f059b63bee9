import { runtime as defaultRuntime } from '#runtime';
import type { AnyBackbone } from './backbones/backbone.js';
import { findBackbone } from './backbones/index.js';
import { Base } from './base.js';
import type { HeadDefinition } from './heads/head.js';
import { findHead } from './heads/index.js';
import type { Modality } from './inputs/input.js';
import { openCheckpoint, type LoadOptions } from './load-pretrained.js';
import type { Model } from './model.js';
import type { Runtime } from './runtimes/runtime.js';
import { savedRecord } from './saving/saved-record.js';
import { savedModel, type SavedModel } from './saving/saved-layout.js';
import type { Checkpoint, Source } from './sources/source.js';
import type { AnyModel } from './training/weight-set.js';
import { addHead } from './add-head.js';
import { buildGuarded } from './layers/build-guarded.js';
import { fillModel } from './weights/fill-model.js';
import { withOrigin } from './common/with-origin.js';

/** Options of `loadModel`. */
export interface LoadModelOptions extends LoadOptions {
  /** Families of your own that the model was made with. */
  readonly backbones?: readonly AnyBackbone[];
  /** Heads of your own that the model was made with. */
  readonly heads?: readonly HeadDefinition[];
}

/**
 * Loads a model that `model.save` wrote: from a folder, or from a repository of the Hub. It predicts what it predicted before,
 * and can be trained further.
 *
 * @param from a path, `file://...`, or `hf://owner/repo`
 * @throws TransferKitError `not-found`, `bad-config` for a folder that is not a saved model or was written by a newer version,
 *   `unknown-name` for a backbone or head of your own that was not passed, `corrupt-file`, `weight-mismatch`
 * @example
 * ```ts
 * import { loadModel } from 'transferkit';
 *
 * using model = await loadModel('flowers-model');
 * console.log(await model.predict('new.jpg'));
 * ```
 */
export async function loadModel<M extends Modality = Modality, Label extends string = string>(
  from: string | Source,
  options: LoadModelOptions = {},
): Promise<Model<M, Label>> {
  const runtime = options.runtime ?? defaultRuntime;
  const backend = await runtime.chooseBackend(options.backend);
  const checkpoint = await openCheckpoint(from, runtime, options);
  try {
    const saved = savedModel(checkpoint);
    const base = await restoreBase(saved, checkpoint, { runtime, backend }, options.backbones);
    return (await restoreModel(saved, base, checkpoint, options.heads)) as unknown as Model<M, Label>;
  } catch (error) {
    throw withOrigin(error, checkpoint.origin);
  } finally {
    await checkpoint.close();
  }
}

async function restoreBase(
  saved: SavedModel,
  checkpoint: Checkpoint,
  place: { runtime: Runtime; backend: Base['parts']['backend'] },
  own: readonly AnyBackbone[] = [],
): Promise<Base> {
  const family = own.find((definition) => definition.name === saved.backbone.name) ?? (await findBackbone(saved.backbone.name));
  const processor = await family.processor(saved.input, { runtime: place.runtime, file: (path) => checkpoint.file(path) });
  const license = await checkpoint.file('LICENSE');
  const provenance = { ...saved.base, ...(license === undefined ? {} : { licenseText: new TextDecoder().decode(license) }) };
  const base = new Base({
    family,
    config: saved.backbone.config,
    built: buildGuarded(family.name, checkpoint, () => family.build(saved.backbone.config)),
    processor,
    provenance,
    ...place,
  });
  if (saved.freeze.learns.length === base.freeze.learns.length) base.freeze = saved.freeze;
  return base;
}

async function restoreModel(saved: SavedModel, base: Base, checkpoint: Checkpoint, own: readonly HeadDefinition[] = []): Promise<AnyModel> {
  let model: AnyModel | undefined;
  try {
    const definition = await findHead(saved.head.name, own);
    const head = definition.restore(saved.head.config);
    model = buildGuarded(`${head.name} head`, checkpoint, () => addHead(base, head) as AnyModel);
    const names = [...model.weights().keys()];
    const table = { detect: () => true, rows: () => names.map((name) => [name, name, 'copy'] as const), ignore: [] };
    await fillModel({
      family: saved.backbone.name,
      weights: model.weights(),
      checkpoint,
      tables: { transferkit: table },
      config: saved.backbone.config,
    });
    model.record = await savedRecord(checkpoint);
    return model;
  } catch (error) {
    model?.dispose();
    base.dispose();
    throw error;
  }
}
