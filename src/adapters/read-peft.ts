import * as tf from '@tensorflow/tfjs-core';
import type { Base } from '../base.js';
import type { JsonObject } from '../common/json.js';
import { TransferKitError } from '../errors.js';
import { applyLayout } from '../weights/layouts.js';
import type { TensorFiles } from '../weights/tensor-files.js';
import type { TensorValue } from '../weights/tensor-value.js';
import { Adapter, type AdaptedLayer } from './adapter.js';
import { adaptableLayers, type AdaptableLayer } from './match-targets.js';
import { readPeftConfig, type PeftSettings } from './peft-config.js';
import { peftParts, peftPrefix } from './peft-files.js';
import { moduleNames, type ModuleNames } from './peft-names.js';

type Part = keyof typeof peftParts;
type Shape = readonly number[];

/** The tensors of one adapted module by their part. */
type Module = ReadonlyMap<Part, string>;

/** What does not fit: the tensor, and what is wrong with it. */
type Problem = readonly [name: string, text: string];

const ending = /\.(lora_A|lora_B|lora_magnitude_vector)(?:\.default)?(?:\.weight)?$/;

/** Tensors by module, and those that are no part of an update. */
function readModules(names: Iterable<string>): { modules: Map<string, Map<Part, string>>; strays: string[] } {
  const modules = new Map<string, Map<Part, string>>();
  const strays: string[] = [];
  for (const name of names) {
    const match = ending.exec(name);
    if (match === null) {
      strays.push(name);
      continue;
    }
    const module = name.slice(0, match.index).replace(peftPrefix, '');
    modules.set(module, (modules.get(module) ?? new Map<Part, string>()).set(match[1] as Part, name));
  }
  return { modules, strays };
}

/** Our layer for a module: by its whole name, or by its end, since a model with a head puts `bert.` or the like in front. */
function layerOf(module: string, { layers }: ModuleNames): string | undefined {
  for (let start = 0; start >= 0; start = module.indexOf('.', start) + 1 || -1) {
    const layer = layers.get(module.slice(start));
    if (layer !== undefined) return layer;
  }
  return undefined;
}

/** The naming that knows most of the modules. */
function bestNaming(base: Base, modules: readonly string[]): ModuleNames {
  const known = (naming: ModuleNames): number => modules.filter((module) => layerOf(module, naming) !== undefined).length;
  return moduleNames(base).reduce((best, other) => (known(other) > known(best) ? other : best));
}

/**
 * Whether a tensor, by its name in the model, has no place in the network, so that it changes no feature: those that the base's own
 * table passes over (a pooler where the mean is taken), and heads that were saved with the adapter.
 */
function isElsewhere(path: string, { saved }: PeftSettings, { tensors, ignore }: ModuleNames): boolean {
  if ([...tensors].some((tensor) => path === tensor || path.endsWith(`.${tensor}`))) return false;
  return ignore.some((pattern) => pattern.test(path)) || path.split('.').some((part) => saved.includes(part));
}

/** The shapes that PEFT gives the parts of a layer's update. */
function expectedShapes({ linear }: AdaptableLayer, rank: number): Record<Part, Shape> {
  const shape = linear.kernel.shape as number[];
  const [input, out] = shape.slice(-2) as [number, number];
  return linear.kind === 'dense'
    ? { lora_A: [rank, input], lora_B: [out, rank], lora_magnitude_vector: [out] }
    : { lora_A: [rank, input, shape[0]!, shape[1]!], lora_B: [out, rank, 1, 1], lora_magnitude_vector: [1, out, 1, 1] };
}

/** What is missing from a module's update, or has another shape. */
function checkModule(module: string, parts: Module, rank: number, one: AdaptableLayer, dora: boolean, files: TensorFiles): Problem[] {
  const shapes = expectedShapes(one, rank);
  return (Object.keys(peftParts) as Part[]).flatMap((part): Problem[] => {
    const name = parts.get(part);
    const isWanted = part !== 'lora_magnitude_vector' || dora;
    if (name === undefined) return isWanted ? [[`${module}.${part}`, 'missing']] : [];
    if (!isWanted) return [[name, 'unexpected: the configuration says use_dora false']];
    const received = files.infos.get(name)!.shape;
    return received.join() === shapes[part].join()
      ? []
      : [[name, `expected [${shapes[part].join(', ')}], received [${received.join(', ')}]`]];
  });
}

/** One layer and the tensors that are its update. */
interface Match {
  readonly one: AdaptableLayer;
  readonly parts: Module;
  readonly plan: AdaptedLayer;
}

/** Finds the layer of every module. */
function matchModules(base: Base, settings: PeftSettings, files: TensorFiles): { matches: Match[]; problems: Problem[] } {
  const { modules, strays } = readModules(files.infos.keys());
  const naming = bestNaming(base, [...modules.keys()]);
  const layers = new Map(adaptableLayers(base.parts.built).map((one) => [one.layer.name, one]));
  const problems: Problem[] = strays
    .filter((name) => !isElsewhere(name.replace(peftPrefix, ''), settings, naming))
    .map((name) => [name, 'belongs to no update of a layer']);
  const matches = new Map<string, Match>();
  for (const [module, parts] of modules) {
    const layer = layerOf(module, naming);
    const rank = files.infos.get(parts.get('lora_A') ?? '')?.shape[0] ?? settings.rank;
    if (layer === undefined && isElsewhere(`${module}.weight`, settings, naming)) continue;
    if (layer === undefined) problems.push([module, 'is no dense layer or ordinary convolution of this base']);
    else if (matches.has(layer)) problems.push([module, `changes layer "${layer}", which another module changes too`]);
    else {
      const one = layers.get(layer)!;
      problems.push(...checkModule(module, parts, rank, one, settings.dora, files));
      matches.set(layer, { one, parts, plan: { layer, rank, alpha: settings.alphaOf(module, rank) } });
    }
  }
  return { matches: [...layers.keys()].flatMap((layer) => matches.get(layer) ?? []), problems };
}

function mismatch(base: Base, origin: string, problems: readonly Problem[]): TransferKitError {
  const shown = problems.slice(0, 20).map(([name, text]) => `  "${name.slice(0, 200)}"  ${text}`);
  if (problems.length > 20) shown.push(`  ... and ${problems.length - 20} more`);
  return new TransferKitError(
    'weight-mismatch',
    `the adapter of "${origin}" does not fit the base ${base.parts.family.name} from "${base.provenance.origin}".\n${shown.join('\n')}\n` +
      `  Fix: load it on the base that it was trained for, which base_model_name_or_path of its adapter_config.json names.`,
    { details: { origin, problems } },
  );
}

/** A tensor of PEFT with our axes: A [in, rank] or [height, width, in, rank], B [rank, out], magnitude [out]. */
function ours(part: Part, value: TensorValue): TensorValue {
  const out = value.shape.reduce((product, size) => product * size, 1);
  if (part === 'lora_magnitude_vector') return { ...value, shape: [out] };
  const flat = part === 'lora_B' ? { ...value, shape: value.shape.slice(0, 2) } : value;
  return applyLayout(flat, flat.shape.length === 4 ? 'conv2d' : 'linear')!;
}

async function fill(adapter: Adapter, matches: readonly Match[], files: TensorFiles): Promise<void> {
  const targets = adapter.targets();
  for (const { parts, plan } of matches) {
    for (const [part, name] of parts) {
      const { shape, values } = ours(part, await files.read(name));
      const tensor = tf.tensor(values, [...shape], 'float32');
      targets.get(`${plan.layer}/${peftParts[part]}`)!.write(tensor);
      tensor.dispose();
    }
  }
}

/**
 * An adapter from PEFT's two files.
 * @param origin where they come from, for messages
 * @throws TransferKitError `unsupported` for more than plain LoRA or DoRA, naming the field; `bad-config`; `weight-mismatch` with
 *   every tensor that does not fit
 */
export async function readPeft(base: Base, files: TensorFiles, config: JsonObject, origin: string): Promise<Adapter> {
  const settings = readPeftConfig(config, `adapter_config.json of ${origin}`);
  const { matches, problems } = matchModules(base, settings, files);
  if (matches.length === 0 && problems.length === 0) problems.push(['lora_A', 'there is none for a layer of this base']);
  if (problems.length > 0) throw mismatch(base, origin, problems);
  const { rank, alpha, dropout, dora } = settings;
  const plan = matches.map((match) => match.plan);
  const adapter = new Adapter(
    base,
    Object.freeze({ kind: 'lora', rank, alpha, dropout, targets: plan.map(({ layer }) => layer), dora }),
    plan,
  );
  try {
    await fill(adapter, matches, files);
  } catch (error) {
    adapter.dispose();
    throw error;
  }
  return adapter;
}
