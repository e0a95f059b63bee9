import type { JsonObject, JsonValue } from '../common/json.js';
import { TransferKitError } from '../errors.js';
import { largestRank } from './recipe.js';

/** What `adapter_config.json` says that matters to the numbers. */
export interface PeftSettings {
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly dora: boolean;
  /** What the update of a module is scaled by, times its rank. */
  readonly alphaOf: (module: string, rank: number) => number;
  /** Modules that were trained and saved whole: heads. */
  readonly saved: readonly string[];
}

/** Fields that say nothing about the numbers: how the adapter was made, where, and for which modules, which the tensors tell. */
const irrelevant = new Set([
  'auto_mapping', 'base_model_name_or_path', 'corda_config', 'eva_config', 'exclude_modules', 'fan_in_fan_out', 'inference_mode',
  'layers_pattern', 'layers_to_transform', 'loftq_config', 'megatron_config', 'megatron_core', 'num_attention_heads', 'num_layers',
  'num_transformer_submodules', 'num_virtual_tokens', 'peft_version', 'qalora_group_size', 'rank_pattern', 'revision', 'runtime_config',
  'target_modules', 'task_type', 'token_dim',
]); // prettier-ignore

/** Fields that are read. */
const known = new Set(['r', 'lora_alpha', 'lora_dropout', 'use_dora', 'use_rslora', 'alpha_pattern', 'modules_to_save']);

/** Fields that must have one of some values: others change weights of the base, or are another method. */
const fixed: Readonly<Record<string, readonly JsonValue[]>> = {
  peft_type: ['LORA'],
  bias: ['none', null],
  init_lora_weights: [true, false, null, 'gaussian', 'orthogonal', 'eva'],
};

const isOff = (value: JsonValue | undefined): boolean =>
  value === undefined || value === null || value === false || (typeof value === 'object' && Object.keys(value).length === 0);

const unsupported = (where: string, field: string, value: JsonValue | undefined, expected: string): TransferKitError =>
  new TransferKitError(
    'unsupported',
    `${where}: field "${field}" is not supported.\n  Expected: ${expected}\n  Received: ${(JSON.stringify(value) ?? 'nothing').slice(0, 200)}\n` +
      '  Fix: choose a plain LoRA or DoRA adapter, or merge this one in Python and load the merged model.',
    { details: { field, received: value } },
  );

const badNumber = (where: string, field: string, value: JsonValue | undefined, expected: string): TransferKitError =>
  new TransferKitError(
    'bad-config',
    `${where}: field "${field}" cannot be used.\n  Expected: ${expected}\n  Received: ${(JSON.stringify(value) ?? 'nothing').slice(0, 200)}\n  Fix: fetch the file again.`,
    { details: { field, received: value } },
  );

function checkFields(config: JsonObject, where: string): void {
  for (const [field, allowed] of Object.entries(fixed)) {
    const value = config[field] ?? null;
    if (!allowed.includes(value)) throw unsupported(where, field, config[field], allowed.map((one) => JSON.stringify(one)).join(' or '));
  }
  for (const [field, value] of Object.entries(config)) {
    if (known.has(field) || irrelevant.has(field) || Object.hasOwn(fixed, field) || isOff(value)) continue;
    throw unsupported(where, field, value, 'null or false');
  }
}

/** Alphas by the end of a module's name. PEFT takes expressions; here they are names, as they are in practice. */
function alphaPatterns(config: JsonObject, where: string): [string, number][] {
  const patterns = Object.entries((config['alpha_pattern'] ?? {}) as JsonObject);
  return patterns.map(([name, alpha]) => {
    if (!/^[\w./-]+$/.test(name)) throw unsupported(where, 'alpha_pattern', name, 'names of modules');
    if (typeof alpha === 'number' && alpha > 0) return [name, alpha];
    throw badNumber(where, 'alpha_pattern', alpha, 'numbers above 0');
  });
}

const namesIn = (value: JsonValue | undefined): string[] =>
  Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string') : [];

/**
 * Reads `adapter_config.json`.
 * @param where the file, for messages
 * @throws TransferKitError `unsupported` naming a field that asks for more than plain LoRA or DoRA; `bad-config`
 */
export function readPeftConfig(config: JsonObject, where: string): PeftSettings {
  checkFields(config, where);
  const number = (field: string, fallback: number, expected: string, holds: (value: number) => boolean): number => {
    const value = config[field] ?? fallback;
    if (typeof value === 'number' && holds(value)) return value;
    throw badNumber(where, field, value, expected);
  };
  const rank = number('r', 8, `a whole number from 1 to ${largestRank}`, (r) => Number.isInteger(r) && r > 0 && r <= largestRank);
  const alpha = number('lora_alpha', 8, 'a number above 0', (value) => value > 0);
  const dropout = number('lora_dropout', 0, 'a number from 0 up to but not 1', (value) => value >= 0 && value < 1);
  const patterns = alphaPatterns(config, where);
  // Rank-stabilised: divided by the root of the rank instead of the rank.
  const stabilise = (value: number, size: number): number => (config['use_rslora'] === true ? value * Math.sqrt(size) : value);
  const patternOf = (module: string) => patterns.find(([name]) => module === name || module.endsWith(`.${name}`));
  return {
    rank,
    alpha: stabilise(alpha, rank),
    dropout,
    dora: config['use_dora'] === true,
    alphaOf: (module, size) => stabilise(patternOf(module)?.[1] ?? alpha, size),
    saved: namesIn(config['modules_to_save']),
  };
}

/** What goes into `adapter_config.json`. */
export interface PeftRecipe {
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly dora: boolean;
  readonly modules: readonly { readonly name: string; readonly rank: number; readonly alpha: number }[];
  /** Repository or path of the base, and for a repository its commit. */
  readonly base: { readonly name: string; readonly revision: string | null };
}

/** `adapter_config.json` as PEFT writes it, its module names in full, so that PEFT adapts the same modules and no others. */
export function peftConfig({ rank, alpha, dropout, dora, modules, base }: PeftRecipe): JsonObject {
  const patterns = (part: 'rank' | 'alpha', usual: number): JsonObject =>
    Object.fromEntries(modules.filter((module) => module[part] !== usual).map((module) => [module.name, module[part]]));
  return {
    alpha_pattern: patterns('alpha', alpha),
    base_model_name_or_path: base.name,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: dropout,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: patterns('rank', rank),
    revision: base.revision,
    target_modules: modules.map(({ name }) => name),
    task_type: null,
    use_dora: dora,
    use_rslora: false,
  };
}
