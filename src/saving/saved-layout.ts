import type { AnyBackbone } from '../backbones/backbone.js';
import type { JsonObject } from '../common/json.js';
import type { InputRecipe } from '../inputs/input.js';
import type { FreezeState } from '../base.js';
import { TransferKitError } from '../errors.js';
import type { Checkpoint } from '../sources/source.js';
import type { WeightTable } from '../weights/fill-model.js';

/** The part of a saved model's `config.json` that builds it again. */
export interface SavedModel {
  readonly format: number;
  readonly backbone: { readonly name: string; readonly config: JsonObject };
  readonly head: { readonly name: string; readonly config: JsonObject };
  readonly input: InputRecipe;
  readonly freeze: FreezeState;
  readonly base: { readonly origin: string; readonly revision: string; readonly license?: string };
}

/** Whether a checkpoint is a folder that `model.save` wrote. */
export const isSavedModel = ({ config }: Checkpoint): boolean => config['transferkit'] !== undefined;

/** @throws TransferKitError `bad-config` for a folder that is not a saved model, is incomplete or was written by a newer version */
export function savedPart(checkpoint: Checkpoint): SavedModel {
  const { config, origin } = checkpoint;
  const saved = config['transferkit'];
  const complain = (what: string, fix: string): TransferKitError =>
    new TransferKitError('bad-config', `"${origin}" ${what}.\n  Fix: ${fix}`, { details: { origin } });
  if (saved === undefined) {
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
  const broken = Object.entries(parts).find(([part, holds]) => !holds(saved[part]));
  if (broken !== undefined) throw complain(`has no usable "${broken[0]}" in the "transferkit" part of its config.json`, again);
  return saved as unknown as SavedModel;
}

const again = 'save the model again, or fetch the folder again as it was saved.';

const isRecord = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const isNamedConfig = (value: unknown): boolean => isRecord(value) && typeof value['name'] === 'string' && isRecord(value['config']);

/** What each part must be; what is inside a config is its owner's business. */
const parts: Readonly<Record<string, (value: unknown) => boolean>> = {
  backbone: isNamedConfig,
  head: isNamedConfig,
  input: isRecord,
  freeze: (value) =>
    isRecord(value) && Array.isArray(value['learns']) && value['learns'].every((learns) => typeof learns === 'boolean') &&
    (value['normalization'] === 'inference' || value['normalization'] === 'batch'),
  base: (value) => isRecord(value) && typeof value['origin'] === 'string' && typeof value['revision'] === 'string',
}; // prettier-ignore

/** Weights under our own names: those of the base, without the head's. */
const baseTable: WeightTable<JsonObject> = {
  detect: () => true,
  rows: (_config, names) =>
    [...names].filter((name) => name.startsWith('base/')).map((name) => [name.slice('base/'.length), name, 'copy'] as const),
  ignore: [/^head\//],
};

/**
 * The family as it reads a saved model: config and input recipe are those that were saved, weights have our own names, and the
 * head is left out. A saved model is thereby one more checkpoint to start from.
 */
export function familyOfSaved(family: AnyBackbone, checkpoint: Checkpoint): AnyBackbone {
  const saved = savedPart(checkpoint);
  return { ...family, parse: () => saved.backbone.config, input: () => saved.input, weights: { transferkit: baseTable } };
}
