import type { AnyBackbone } from './backbones/backbone.js';
import type { JsonObject } from './json.js';
import type { InputRecipe } from './inputs/input.js';
import type { FreezeState } from './base.js';
import { TransferKitError } from './errors.js';
import type { Checkpoint } from './sources/source.js';
import type { WeightTable } from './weights/fill-model.js';

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
  const saved = config['transferkit'] as unknown as SavedModel | undefined;
  const complain = (what: string, fix: string): TransferKitError =>
    new TransferKitError('bad-config', `${origin} ${what}.\n  Fix: ${fix}`, { details: { origin } });
  if (saved === undefined) {
    throw complain(
      'is not a model that TransferKit saved: its config.json has no "transferkit" part',
      'load a published checkpoint with loadPretrained',
    );
  }
  if (saved.format !== 1)
    throw complain(`has format ${saved.format}; this version reads format 1`, 'install a newer version of transferkit');
  const missing = ['backbone', 'head', 'input', 'freeze', 'base'].filter((part) => typeof saved[part as keyof SavedModel] !== 'object');
  if (missing.length > 0) throw complain(`lacks ${missing.join(', ')} in its config.json`, 'save the model again');
  return saved;
}

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
