import { TransferKitError } from '../errors.js';
import type { JsonObject, JsonValue } from '../common/json.js';
import type { PoolingMode } from '../layers/token-pooling.js';
import { parseJsonObject } from '../weights/read-json.js';

/** What the companion files of a sentence-transformers checkpoint say. */
export interface SentenceSettings {
  /** Undefined where there is no pooling module. */
  readonly pooling?: PoolingMode;
  /** Whether vectors are scaled to length 1. */
  readonly normalize: boolean;
  /** Most tokens of a text, special ones included. */
  readonly maxLength?: number;
  /** Whether texts are lower-cased before the tokenizer sees them. */
  readonly lowerCase: boolean;
}

type ReadFile = (path: string) => Promise<Uint8Array | undefined>;

/** The flags of a pooling module that are supported. */
const poolingModes: Readonly<Record<string, PoolingMode>> = {
  pooling_mode_cls_token: 'cls',
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_max_tokens: 'max',
};

function unsupported(place: string, expected: string, received: string): TransferKitError {
  return new TransferKitError(
    'bad-config',
    `${place}: expected ${expected}, received ${received}.\n  Fix: choose a checkpoint without it; this library cannot honour it yet.`,
    {
      details: { place, expected, received },
    },
  );
}

/** The pooling mode of a pooling module's config, in the old form (one flag per mode) or the new (one name). */
function poolingMode(config: JsonObject, place: string): PoolingMode {
  const named = config['pooling_mode'];
  const names = typeof named === 'string' ? [named] : Array.isArray(named) ? named : undefined;
  const chosen = names ?? Object.keys(config).filter((name) => name.startsWith('pooling_mode_') && config[name] === true);
  const modes = chosen.map((name) => poolingModes[String(name)] ?? Object.values(poolingModes).find((mode) => mode === name));
  if (modes.length === 1 && modes[0] !== undefined) return modes[0];
  throw unsupported(place, 'one pooling mode out of mean, cls, max', chosen.length === 0 ? 'none' : chosen.join(' + '));
}

/** The last part of a module's class name, which moved from package to package over the years. */
const moduleType = (name: JsonValue | undefined): string =>
  typeof name === 'string' ? name.split('.').at(-1)! : 'a module without a type';

/** A module's folder; one that leads out of the checkpoint is refused. */
function modulePath(path: JsonValue | undefined): string {
  const name = typeof path === 'string' ? path : '';
  if (!/(^[/\\])|(^|[/\\])\.\.([/\\]|$)|:/.test(name)) return name;
  throw new TransferKitError(
    'corrupt-file',
    `modules.json names the folder "${name}": expected one inside the checkpoint.\n  Fix: do not use this checkpoint; it points outside itself.`,
    { details: { path: name } },
  );
}

/** A companion file as a JSON object, empty where there is none. */
async function readObject(file: ReadFile, path: string): Promise<JsonObject> {
  const bytes = await file(path);
  return bytes === undefined ? {} : parseJsonObject(bytes, path);
}

/** The modules of `modules.json`, in order. */
function moduleList(bytes: Uint8Array): readonly { readonly type: string; readonly path: string }[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new TransferKitError('corrupt-file', `modules.json is not JSON: ${(cause as Error).message}.\n  Fix: download the file again.`, {
      cause,
    });
  }
  if (!Array.isArray(value))
    throw new TransferKitError(
      'corrupt-file',
      `modules.json: expected a list of modules, received ${JSON.stringify(value).slice(0, 80)}.\n  Fix: download the file again.`,
    );
  return value.map((entry: JsonObject | null) => ({ type: moduleType(entry?.['type']), path: modulePath(entry?.['path']) }));
}

/** Modules that hold the encoder itself, and those that do nothing outside training. */
const passedOver = new Set(['Transformer', 'StaticEmbedding', 'Dropout']);

async function readModules(file: ReadFile, bytes: Uint8Array): Promise<{ pooling?: PoolingMode; normalize: boolean }> {
  const found: { pooling?: PoolingMode; normalize: boolean } = { normalize: false };
  for (const { type, path } of moduleList(bytes)) {
    const config = `${path}/config.json`;
    if (type === 'Pooling') found.pooling = poolingMode(await readObject(file, config), config);
    else if (type === 'Normalize') found.normalize = true;
    else if (!passedOver.has(type)) throw unsupported(`modules.json, module "${path}"`, 'Transformer, Pooling or Normalize', type);
  }
  return found;
}

/**
 * Reads `modules.json`, the pooling module's config and `sentence_bert_config.json`.
 *
 * @param file a checkpoint's companion files
 * @returns undefined where there is no `modules.json`: not a sentence-transformers checkpoint
 * @throws TransferKitError `bad-config` for a module or a pooling mode that is not supported, `corrupt-file`
 * @source https://github.com/UKPLab/sentence-transformers (sentence_transformers/models/Pooling.py, Transformer.py)
 */
export async function readSentenceSettings(file: ReadFile): Promise<SentenceSettings | undefined> {
  const modules = await file('modules.json');
  if (modules === undefined) return undefined;
  const habits = await readObject(file, 'sentence_bert_config.json');
  const longest = habits['max_seq_length'];
  return {
    ...(await readModules(file, modules)),
    ...(typeof longest === 'number' && longest > 0 ? { maxLength: Math.floor(longest) } : {}),
    lowerCase: habits['do_lower_case'] === true,
  };
}
