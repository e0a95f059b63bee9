import { isAdapterRecipe, largestRank, type AdapterRecipe } from '../adapters/recipe.js';
import { Adapter, type AdaptedLayer } from '../adapters/adapter.js';
import type { Base } from '../base.js';
import type { JsonObject } from '../common/json.js';
import { TransferKitError } from '../errors.js';
import type { Checkpoint } from '../sources/source.js';
import { parseJsonObject } from '../weights/read-json.js';

/** An adapter as it is written into a saved model's configuration; its weights lie with the others. */
export interface SavedAdapter {
  readonly recipe: AdapterRecipe;
  readonly layers: readonly AdaptedLayer[];
}

/** What lies beside PEFT's files in a folder of `model.saveAdapter`. */
export interface AdapterRecord {
  readonly format: number;
  readonly backbone: { readonly name: string; readonly config: JsonObject };
  readonly base: { readonly origin: string; readonly revision: string };
  readonly head: { readonly name: string; readonly config: JsonObject };
}

/** The file that holds it. */
export const adapterRecordFile = 'transferkit.json';

const isRecord = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

function isAdaptedLayer(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { layer, rank, alpha } = value;
  const isRank = typeof rank === 'number' && Number.isInteger(rank) && rank > 0 && rank <= largestRank;
  return typeof layer === 'string' && isRank && typeof alpha === 'number' && alpha > 0;
}

/** Whether a part of a file is a saved adapter. */
export function isSavedAdapter(value: unknown): value is SavedAdapter {
  if (!isRecord(value) || !isAdapterRecipe(value['recipe'])) return false;
  const { layers } = value;
  return Array.isArray(layers) && layers.length > 0 && layers.every(isAdaptedLayer);
}

/** What `config.json` says of a model's adapter. */
export const savedAdapterOf = ({ recipe, layers }: Adapter): SavedAdapter => ({ recipe, layers });

/**
 * An adapter of a saved model, its weights still to be filled. Ranks are believed only where the tensors bear them out, so that no
 * more is allocated than the file holds.
 * @throws TransferKitError `bad-config`
 */
export function restoreAdapter(base: Base, { recipe, layers }: SavedAdapter, checkpoint: Checkpoint): Adapter {
  const odd = layers.find(({ layer, rank }) => checkpoint.tensors.get(`adapter/${layer}/lora_b`)?.shape[0] !== rank);
  if (odd === undefined) return new Adapter(base, recipe, layers);
  throw new TransferKitError(
    'bad-config',
    `"${checkpoint.origin}" says that layer "${odd.layer.slice(0, 200)}" is adapted with rank ${odd.rank}, and its weights are not there in that size.\n  Fix: save the model again, or fetch the folder again as it was saved.`,
    { details: { origin: checkpoint.origin, layer: odd.layer, rank: odd.rank } },
  );
}

const isNamed = (value: unknown): boolean => isRecord(value) && typeof value['name'] === 'string' && isRecord(value['config']);

const parts: Readonly<Record<string, (value: unknown) => boolean>> = {
  format: (value) => value === 1,
  backbone: isNamed,
  base: (value) => isRecord(value) && typeof value['origin'] === 'string',
  head: isNamed,
};

/**
 * What lies beside an adapter's tensors; undefined where nothing does.
 * @throws TransferKitError `bad-config` for a file that is not what `saveAdapter` wrote, or was written by a newer version
 */
export async function readAdapterRecord(checkpoint: Checkpoint): Promise<AdapterRecord | undefined> {
  const bytes = await checkpoint.file(adapterRecordFile);
  if (bytes === undefined) return undefined;
  const where = `${adapterRecordFile} of ${checkpoint.origin}`;
  const record = parseJsonObject(bytes, where, 'bad-config');
  const broken = Object.entries(parts).find(([part, holds]) => !holds(record[part]));
  if (broken === undefined) return record as unknown as AdapterRecord;
  throw new TransferKitError(
    'bad-config',
    `"${where}" has no usable "${broken[0]}".\n  Received: ${(JSON.stringify(record[broken[0]]) ?? 'nothing').slice(0, 200)}\n  Fix: install a newer version of transferkit, save the adapter again, or load it alone with loadAdapter.`,
    { details: { origin: checkpoint.origin, part: broken[0] } },
  );
}
