import { TransferKitError } from '../../errors.js';
import type { JsonObject, JsonValue } from '../../common/json.js';

/** Where a layer takes a tensor from, in Keras's terms: layer, number of its call, number of its output. */
export interface KerasReference {
  readonly layer: string;
  readonly node: number;
  readonly tensor: number;
}

/** One call of a layer as the file has it. */
export interface InboundNode {
  readonly inputs: readonly KerasReference[];
  /** Arguments of the call beside tensors, by name, that were set to something. */
  readonly keywords: readonly string[];
}

/** One layer of a topology as the file has it, whatever version of Keras wrote it. */
export interface TopologyEntry {
  readonly className: string;
  readonly name: string;
  readonly config: JsonObject;
  readonly nodes: readonly InboundNode[];
  /** Where a .keras archive keeps it within its model: `layers/conv2d_3`. */
  readonly archive: string;
}

/** A complaint about a topology that cannot be read. */
export const malformed = (what: string): TransferKitError =>
  new TransferKitError(
    'bad-config',
    `the topology in model.json cannot be read: ${what}.\n  Expected: the layers of a Keras or TensorFlow.js LayersModel.\n` +
      `  Fix: export the model again with tensorflowjs_converter or model.save().`,
  );

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isArray = (value: JsonValue | undefined): value is readonly JsonValue[] => Array.isArray(value);

/** `["conv1", 0, 0, {...}]` as a reference. */
function toReference(value: JsonValue | undefined): KerasReference {
  if (!isArray(value) || typeof value[0] !== 'string') throw malformed(`${JSON.stringify(value)} is no reference to a layer`);
  const [layer, node = 0, tensor = 0] = value;
  if (!Number.isInteger(node) || !Number.isInteger(tensor)) throw malformed(`${JSON.stringify(value)} is no reference to a layer`);
  return { layer, node: node as number, tensor: tensor as number };
}

/** One reference, or a list of them: Keras 3 leaves the outer list away where there is one. */
export function toReferences(value: JsonValue | undefined): KerasReference[] {
  if (!isArray(value)) throw malformed(`${JSON.stringify(value ?? null)} stands where inputs or outputs are listed`);
  return typeof value[0] === 'string' ? [toReference(value)] : value.map(toReference);
}

/** Names of call arguments that were set; whether a layer trains is decided elsewhere. */
function keywordsOf(keywords: JsonValue | undefined): string[] {
  if (!isObject(keywords)) return [];
  return Object.keys(keywords).filter((name) => name !== 'training' && keywords[name] !== null && keywords[name] !== undefined);
}

/** Tensors among the positional arguments of a Keras 3 call, in order; other values count as keywords. */
function readArguments(values: JsonValue | undefined, found: { inputs: KerasReference[]; keywords: string[] }): void {
  if (isArray(values)) {
    for (const value of values) readArguments(value, found);
  } else if (isObject(values) && values.class_name === '__keras_tensor__' && isObject(values.config)) {
    found.inputs.push(toReference(values.config.keras_history));
  } else if (values !== null && values !== undefined) found.keywords.push('positional argument');
}

/** One inbound node of Keras 2 (a list of references) or of Keras 3 (`args` and `kwargs`). */
function readNode(value: JsonValue): InboundNode {
  if (isObject(value)) {
    const found = { inputs: [] as KerasReference[], keywords: keywordsOf(value.kwargs) };
    readArguments(value.args, found);
    return found;
  }
  const references = isArray(value) && typeof value[0] === 'string' ? [value] : value;
  if (!isArray(references)) throw malformed(`${JSON.stringify(value)} is no list of inputs`);
  return {
    inputs: references.map(toReference),
    keywords: references.flatMap((reference) => keywordsOf((reference as readonly JsonValue[])[3])),
  };
}

/** Reads one layer. @throws TransferKitError `bad-config` */
function readEntry(value: JsonValue | undefined): TopologyEntry {
  if (!isObject(value) || typeof value.class_name !== 'string') throw malformed('a layer has no class_name');
  // Early Keras wrote the layers of a Sequential as a bare list.
  const config: JsonObject = isArray(value.config) ? { layers: value.config } : isObject(value.config) ? value.config : {};
  const name = [value.name, config.name].find((candidate) => typeof candidate === 'string') ?? value.class_name;
  const nodes = isArray(value.inbound_nodes) ? value.inbound_nodes.map(readNode) : [];
  return { className: value.class_name, name, config, nodes, archive: '' };
}

/** The outermost layer of a model.json, which is a model. @throws TransferKitError `bad-config` */
export function readTopology(config: JsonObject): TopologyEntry {
  const topology = config.modelTopology;
  if (!isObject(topology)) throw malformed('it has no "modelTopology"');
  return readEntry(isObject(topology.model_config) ? topology.model_config : topology);
}

/** Whether a layer is a model with layers of its own. */
export const isModel = (entry: TopologyEntry): boolean => ['Sequential', 'Functional', 'Model'].includes(entry.className);

/** `DepthwiseConv2D` as `depthwise_conv2d`, by Keras's rule. */
const toSnakeCase = (name: string): string =>
  name
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();

/** The layers of a model. @throws TransferKitError `bad-config` */
export function layersOf(entry: TopologyEntry): TopologyEntry[] {
  if (!isArray(entry.config.layers)) throw malformed(`the model "${entry.name}" has no layers`);
  const counts = new Map<string, number>();
  return entry.config.layers.map(readEntry).map((layer) => {
    const kind = toSnakeCase(layer.className);
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return { ...layer, archive: `layers/${kind}${count === 0 ? '' : `_${count}`}` };
  });
}
