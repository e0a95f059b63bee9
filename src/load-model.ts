import { runtime as defaultRuntime } from '#runtime';
import { attachFiles } from './attach-files.js';
import type { AnyBackbone } from './backbones/backbone.js';
import { findBackbone } from './backbones/index.js';
import { Base, type Place } from './base.js';
import type { HeadDefinition } from './heads/head.js';
import { findHead } from './heads/index.js';
import type { Modality } from './inputs/input.js';
import { TransferKitError } from './errors.js';
import { adapterOf, tensorsOf } from './load-adapter.js';
import { choosePlace, openCheckpoint, type LoadOptions } from './load-pretrained.js';
import type { Model } from './model.js';
import { readAdapterRecord, restoreAdapter } from './saving/saved-adapter.js';
import { savedRecord } from './saving/saved-record.js';
import { savedModel, type SavedModel } from './saving/saved-layout.js';
import type { Checkpoint, Source } from './sources/source.js';
import type { AnyModel } from './training/weight-set.js';
import { addHead } from './add-head.js';
import { buildGuarded } from './layers/build-guarded.js';
import { namedWeights } from './layers/named-weights.js';
import { fillModel, type WeightTarget } from './weights/fill-model.js';
import { withOrigin } from './common/with-origin.js';

/** Options of `loadModel`. */
export interface LoadModelOptions extends LoadOptions {
  /** The base to put an adapter on, where `from` is a folder of `model.saveAdapter`. Other models may stand on it. */
  readonly base?: Base;
  /** Families of your own that the model was made with. */
  readonly backbones?: readonly AnyBackbone[];
  /** Heads of your own that the model was made with. */
  readonly heads?: readonly HeadDefinition[];
}

/**
 * Loads a model that `model.save` wrote: from a folder, or from a repository of the Hub. It predicts what it predicted before,
 * and can be trained further. What `model.saveAdapter` wrote is put on a base that is loaded already: `{ base }`.
 *
 * @param from a path, `file://...`, or `hf://owner/repo`
 * @throws TransferKitError `not-found`, `bad-config` for a folder that is not a saved model or was written by a newer version,
 *   `unknown-name` for a backbone or head of your own that was not passed, `corrupt-file`, `weight-mismatch`, `bad-option` for an
 *   adapter of another family than the base
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
  const runtime = options.runtime ?? options.base?.parts.runtime ?? defaultRuntime;
  checkLoadedBase(options);
  const place = options.base?.parts ?? (await choosePlace(runtime, options));
  const checkpoint = await openCheckpoint(from, runtime, options);
  try {
    const model = await (options.base === undefined
      ? wholeModel(checkpoint, place, options)
      : modelOnBase(checkpoint, options.base, options));
    return model as unknown as Model<M, Label>;
  } catch (error) {
    throw withOrigin(error, checkpoint.origin);
  } finally {
    await checkpoint.close();
  }
}

async function wholeModel(checkpoint: Checkpoint, place: Place, { backbones, heads }: LoadModelOptions): Promise<AnyModel> {
  const saved = savedModel(checkpoint);
  const base = await restoreBase(saved, checkpoint, place, backbones);
  return restoreModel(saved, base, checkpoint, heads);
}

/** Options that were heeded when the base was loaded, and come too late after that. */
const ofBase = ['backend', 'engine', 'threads', 'onnxRuntime'] as const;

/** @throws TransferKitError `bad-option` */
function checkLoadedBase({ base, ...options }: LoadModelOptions): void {
  const late = base && ofBase.find((name) => options[name] !== undefined);
  if (late === undefined) return;
  throw new TransferKitError(
    'bad-option',
    `the base is loaded already, so ${late} cannot be chosen any more.\n  Fix: leave ${late} out here, and give it to loadPretrained.`,
    { details: { option: late } },
  );
}

/** Head and adapter of a folder on a base that is there already. */
async function modelOnBase(checkpoint: Checkpoint, base: Base, { heads }: LoadModelOptions): Promise<AnyModel> {
  base.assertUsable();
  const [record, headFile] = await Promise.all([readAdapterRecord(checkpoint), checkpoint.file('head.safetensors')]);
  if (record === undefined || headFile === undefined) throw noHead(checkpoint);
  if (record.backbone.name !== base.parts.family.name) throw otherFamily(checkpoint, base, record.backbone.name);
  const adapter = await adapterOf(base, checkpoint);
  let model: AnyModel | undefined;
  try {
    const head = (await findHead(record.head.name, heads)).restore(record.head.config);
    model = buildGuarded(`${head.name} head`, checkpoint, () => addHead(base, head) as AnyModel);
    await fillAll(head.name, namedWeights(model.headModel), await headCheckpoint(checkpoint, headFile));
    model.record = await savedRecord(checkpoint);
    model.useAdapter(adapter);
    return model;
  } catch (error) {
    base.holders++; // the base is the caller's, and stays
    model?.dispose();
    base.holders--;
    if (adapter.holders === 0) adapter.dispose();
    throw error;
  }
}

/** The file with the head's weights as a checkpoint of its own. */
async function headCheckpoint(checkpoint: Checkpoint, bytes: Uint8Array): Promise<Checkpoint> {
  const origin = `head.safetensors of ${checkpoint.origin}`;
  const files = await tensorsOf(bytes, origin);
  return { ...checkpoint, origin, tensors: files.infos, tensor: (name) => files.read(name) };
}

/** Fills weights from tensors of the same names. */
async function fillAll(name: string, weights: ReadonlyMap<string, WeightTarget>, checkpoint: Checkpoint): Promise<void> {
  const rows = [...weights.keys()].map((weight) => [weight, weight, 'copy'] as const);
  const tables = { transferkit: { detect: () => true, rows: () => rows, ignore: [] } };
  await fillModel({ family: name, weights, checkpoint, tables, config: {} });
}

const noHead = ({ origin }: Checkpoint): TransferKitError =>
  new TransferKitError(
    'bad-config',
    `"${origin}" has no head to put on the base.\n  Expected: transferkit.json and head.safetensors, as model.saveAdapter writes them\n` +
      '  Fix: load a whole model without { base }; put the adapter of another program on a model with model.useAdapter(await loadAdapter(base, path)).',
    { details: { origin } },
  );

const otherFamily = ({ origin }: Checkpoint, base: Base, received: string): TransferKitError =>
  new TransferKitError(
    'bad-option',
    `the adapter in "${origin}" is for another family than the base.\n  Expected: an adapter for ${base.parts.family.name}\n  Received: one for ${received}\n  Fix: load the base that it was trained for.`,
    { details: { origin, expected: base.parts.family.name, received } },
  );

async function restoreBase(saved: SavedModel, checkpoint: Checkpoint, place: Place, own: readonly AnyBackbone[] = []): Promise<Base> {
  const family = own.find((definition) => definition.name === saved.backbone.name) ?? (await findBackbone(saved.backbone.name));
  const processor = await family.processor(saved.input, { runtime: place.runtime, file: (path) => checkpoint.file(path) });
  const license = await checkpoint.file('LICENSE');
  const provenance = { ...saved.base, ...(license === undefined ? {} : { licenseText: new TextDecoder().decode(license) }) };
  const built = buildGuarded(family.name, checkpoint, () => family.build(saved.backbone.config));
  const base = new Base({
    family,
    built,
    ...(await attachFiles(family, built, saved.backbone.config, { ...place, file: (path, limits) => checkpoint.file(path, limits) })),
    processor,
    provenance,
    ...(saved.layout === undefined ? {} : { layout: saved.layout }),
    ...place,
  });
  if (saved.freeze.learns.length === base.freeze.learns.length) {
    base.freeze = saved.freeze;
    base.freezeIsChosen = true;
  }
  return base;
}

async function restoreModel(saved: SavedModel, base: Base, checkpoint: Checkpoint, own: readonly HeadDefinition[] = []): Promise<AnyModel> {
  let model: AnyModel | undefined;
  try {
    const definition = await findHead(saved.head.name, own);
    const head = definition.restore(saved.head.config);
    model = buildGuarded(`${head.name} head`, checkpoint, () => addHead(base, head) as AnyModel);
    if (saved.adapter !== undefined) model.useAdapter(restoreAdapter(base, saved.adapter, checkpoint));
    await fillAll(saved.backbone.name, model.weights(), checkpoint);
    model.record = await savedRecord(checkpoint);
    return model;
  } catch (error) {
    model?.dispose();
    base.dispose();
    throw error;
  }
}
