import type { AnyBackbone } from '../backbones/backbone.js';
import type { JsonObject } from '../common/json.js';
import type { InputRecipe } from '../inputs/input.js';
import type { FreezeState } from '../base.js';
import { TransferKitError } from '../errors.js';
import type { Checkpoint } from '../sources/source.js';
import type { WeightTable } from '../weights/fill-model.js';
import { isSavedAdapter, type SavedAdapter } from './saved-adapter.js';

/** What builds a saved base again: a network without a head, as the package's own are kept. */
export interface SavedBase {
  readonly format: number;
  readonly backbone: { readonly name: string; readonly config: JsonObject };
  readonly input: InputRecipe;
  readonly base: { readonly origin: string; readonly revision: string; readonly license?: string };
  /** Which of the family's weight tables the first checkpoint was read by. */
  readonly layout?: string;
}

/** The part of a saved model's `config.json` that builds it again. */
export interface SavedModel extends SavedBase {
  readonly adapter?: SavedAdapter;
  readonly head: { readonly name: string; readonly config: JsonObject };
  readonly freeze: FreezeState;
}

/** Whether a checkpoint has what `model.save` writes, with a head or without. */
export const isSaved = ({ config }: Checkpoint): boolean => config['transferkit'] !== undefined;

/**
 * What it takes to build the base again; a head beside it must be whole too.
 * @throws TransferKitError `bad-config` for a checkpoint that was not saved by us, is incomplete or was written by a newer version;
 *   `unsupported` for one whose base has an adapter on it, without which it is not what was trained
 */
export function savedBase(checkpoint: Checkpoint): SavedBase {
  const saved = savedPart(checkpoint);
  if (saved['adapter'] !== undefined) throw hasAdapter(checkpoint);
  checkParts(checkpoint, saved, hasHead(saved) ? { ...baseParts, ...headParts } : baseParts);
  return saved as unknown as SavedBase;
}

/** @throws TransferKitError `bad-config` as `savedBase`, and for a base without a head */
export function savedModel(checkpoint: Checkpoint): SavedModel {
  const saved = savedPart(checkpoint);
  if (!hasHead(saved)) {
    throw complaint(
      checkpoint,
      'is a base without a head, and loadModel loads a base with its head',
      'load it with loadPretrained, and put a head on it with addHead.',
    );
  }
  checkParts(checkpoint, saved, { ...baseParts, ...headParts });
  return saved as unknown as SavedModel;
}

/** One of the two parts that only a model has is enough to tell that the other was lost. */
const hasHead = (saved: JsonObject): boolean => saved['head'] !== undefined || saved['freeze'] !== undefined;

const complaint = ({ origin }: Checkpoint, what: string, fix: string): TransferKitError =>
  new TransferKitError('bad-config', `"${origin}" ${what}.\n  Fix: ${fix}`, { details: { origin } });

const hasAdapter = ({ origin }: Checkpoint): TransferKitError =>
  new TransferKitError(
    'unsupported',
    `"${origin}" is a model with an adapter on its base, and the base alone is not what was trained.\n  Expected: a model without an adapter\n` +
      `  Fix: load it with loadModel, call model.mergeAdapter(), save it again, and load that.`,
    { details: { origin } },
  );

/** The "transferkit" part of a config, of the format that is read here. */
function savedPart(checkpoint: Checkpoint): JsonObject {
  const saved = checkpoint.config['transferkit'];
  const complain = (what: string, fix: string): TransferKitError => complaint(checkpoint, what, fix);
  if (saved === undefined) {
    if ([...checkpoint.tensors.keys()].some((name) => name.includes('.lora_')))
      throw complain(
        'is an adapter without its base',
        'load the base with loadPretrained, then loadModel(path, { base }), or loadAdapter(base, path).',
      );
    throw complain(
      'is not a model that TransferKit saved: there is no config.json with a "transferkit" part',
      'check the path; a published checkpoint is loaded with loadPretrained, and gets a head with addHead.',
    );
  }
  if (!isRecord(saved)) throw complain(`has ${JSON.stringify(saved)} as the "transferkit" part of its config.json`, again);
  if (saved['format'] !== 1) {
    const received = JSON.stringify(saved['format'] ?? null);
    throw complain(
      `has format ${received}, and this version reads format 1`,
      'install a newer version of transferkit, or save the model again.',
    );
  }
  return saved;
}

function checkParts(checkpoint: Checkpoint, saved: JsonObject, parts: PartRules): void {
  const broken = Object.entries(parts).find(([part, holds]) => !holds(saved[part]));
  if (broken !== undefined) throw complaint(checkpoint, `has no usable "${broken[0]}" in the "transferkit" part of its config.json`, again);
}

const again = 'save the model again, or fetch the folder again as it was saved.';

const isRecord = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const isNamedConfig = (value: unknown): boolean => isRecord(value) && typeof value['name'] === 'string' && isRecord(value['config']);

/** What each part must be; what is inside a config is its owner's business. */
type PartRules = Readonly<Record<string, (value: unknown) => boolean>>;

const baseParts: PartRules = {
  backbone: isNamedConfig,
  layout: (value) => value === undefined || typeof value === 'string',
  input: isRecord,
  base: (value) => isRecord(value) && typeof value['origin'] === 'string' && typeof value['revision'] === 'string',
};

const headParts: PartRules = {
  head: isNamedConfig,
  freeze: (value) =>
    isRecord(value) &&
    Array.isArray(value['learns']) &&
    value['learns'].every((learns) => typeof learns === 'boolean') &&
    (value['normalization'] === 'inference' || value['normalization'] === 'batch'),
  adapter: (value) => value === undefined || isSavedAdapter(value),
};

/** Weights under our own names: those of the base, without the head's. */
const baseTable: WeightTable<JsonObject> = {
  detect: () => true,
  rows: (_config, names) =>
    [...names].filter((name) => name.startsWith('base/')).map((name) => [name.slice('base/'.length), name, 'copy'] as const),
  ignore: [/^head\//],
};

/**
 * The family as it reads a saved base or model: config and input recipe are those that were saved, weights have our own names, and
 * the head is left out. A saved model is thereby one more checkpoint to start from.
 */
export function familyOfSaved(family: AnyBackbone, checkpoint: Checkpoint): AnyBackbone {
  const saved = savedBase(checkpoint);
  return { ...family, parse: () => saved.backbone.config, input: () => saved.input, weights: { transferkit: baseTable } };
}
