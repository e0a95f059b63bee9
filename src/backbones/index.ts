import { TransferKitError } from '../errors.js';
import type { JsonObject } from '../common/json.js';
import { unknownName } from '../common/nearest-name.js';
import type { Checkpoint } from '../sources/source.js';
import type { AnyBackbone } from './backbone.js';

/** A family that is loaded when it is needed. */
export interface BackboneEntry {
  /** kebab-case, equal to its file's name. */
  readonly name: string;
  /** Imports the family, so that only the one that is used is loaded. */
  readonly load: () => Promise<AnyBackbone>;
}

/** Every family of the package, special ones before general ones: the first that recognises a checkpoint gets it. */
export const backbones: readonly BackboneEntry[] = [
  { name: 'mobilenet-v2', load: async () => (await import('./mobilenet-v2.js')).mobilenetV2 },
  { name: 'bert', load: async () => (await import('./bert.js')).bert },
  { name: 'static-embedding', load: async () => (await import('./static-embedding.js')).staticEmbedding },
  { name: 'keras-graph', load: async () => (await import('./keras-graph.js')).kerasGraph },
  { name: 'onnx-text', load: async () => (await import('./onnx-text.js')).onnxText },
  { name: 'onnx-image', load: async () => (await import('./onnx-image.js')).onnxImage },
];

/** Whether a checkpoint is of a family. One without tensors can only be of a family that has files of its own. */
export const recognises = (family: AnyBackbone, checkpoint: Checkpoint): boolean =>
  (checkpoint.tensors.size > 0 || family.attach !== undefined) && family.matches(checkpoint);

/**
 * The family of a name; a definition is given back as it is.
 * @throws TransferKitError `unknown-name` with the known names and the nearest
 */
export async function findBackbone(backbone: string | AnyBackbone): Promise<AnyBackbone> {
  if (typeof backbone !== 'string') return backbone;
  const entry = backbones.find(({ name }) => name === backbone);
  if (entry === undefined)
    throw unknownName(
      'backbone',
      backbone,
      backbones.map(({ name }) => name),
    );
  return entry.load();
}

/** What a configuration says of the architecture. */
function describeConfig(config: JsonObject): string {
  const said = ['model_type', 'architecture', 'architectures', 'format'].filter((field) => config[field] !== undefined);
  if (said.length > 0) return said.map((field) => `${field} ${JSON.stringify(config[field])}`).join(', ');
  return Object.keys(config).length === 0 ? 'no configuration' : `a configuration with ${Object.keys(config).slice(0, 8).join(', ')}`;
}

/**
 * The family that a checkpoint belongs to.
 * @throws TransferKitError `bad-config` when none recognises it
 */
export async function matchBackbone(checkpoint: Checkpoint): Promise<AnyBackbone> {
  for (const { load } of backbones) {
    const family = await load();
    if (recognises(family, checkpoint)) return family;
  }
  const names = [...checkpoint.tensors.keys()].slice(0, 3);
  throw new TransferKitError(
    'bad-config',
    `no family recognises "${checkpoint.origin}".\n  Expected: a checkpoint of ${backbones.map(({ name }) => name).join(', ')}\n` +
      `  Received: ${describeConfig(checkpoint.config)}; ${checkpoint.tensors.size} tensors${names.length > 0 ? ` such as ${names.map((name) => `"${name}"`).join(', ')}` : ''}\n` +
      `  Fix: choose a checkpoint of one of these families, or pass { backbone, source } with a backbone of your own.`,
    { details: { config: describeConfig(checkpoint.config), tensors: checkpoint.tensors.size } },
  );
}
