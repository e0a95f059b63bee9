import { TransferKitError } from '../../errors.js';
import type { JsonObject } from '../../common/json.js';
import type { GraphCall, GraphLayer, KerasGraph, TensorReference } from './graph.js';
import { activationOf, modernHardSigmoid } from './make-layer.js';
import { isModel, isObject, layersOf, malformed, readTopology, toReferences } from './read-topology.js';
import type { InboundNode, KerasReference, TopologyEntry } from './read-topology.js';

/** Models within models, at most; real files have up to three. */
const maximumDepth = 16;
/** Calls of layers, at most; the deepest published image networks have about two thousand. */
const maximumCalls = 20_000;

/** Tensors that a call of a layer or of an inner model gave. */
type Results = (output: number) => TensorReference | undefined;

/** Where an inner model stands: the models around it. */
type Path = readonly TopologyEntry[];

/** Writes the calls of nested models one after another, as if there were no nesting. */
class Flattener {
  readonly layers: GraphLayer[] = [];
  readonly calls: GraphCall[] = [];
  /** Unique names by where the layer stands, and all of them. */
  readonly #names = new Map<string, string>();
  readonly #taken = new Set<string>();

  /** The calls of a model; without inputs its input layers become inputs of the graph. */
  model(entry: TopologyEntry, path: Path, inputs?: readonly TensorReference[]): TensorReference[] {
    if (path.length > maximumDepth) throw malformed(`models are nested more than ${maximumDepth} deep`);
    return entry.className === 'Sequential' ? this.#sequential(entry, path, inputs) : this.#functional(entry, path, inputs);
  }

  #sequential(entry: TopologyEntry, path: Path, inputs?: readonly TensorReference[]): TensorReference[] {
    let current = inputs;
    for (const layer of layersOf(entry)) {
      if (layer.className === 'InputLayer') current ??= [this.#input(layer, path)];
      else if (isModel(layer)) current = this.model(layer, [...path, layer], current);
      else current = [this.#call(layer, path, current ?? [this.#input(inputLayerFor(layer), path)])];
    }
    if (current === undefined) throw malformed(`the model "${entry.name}" has no layers`);
    return [...current];
  }

  #functional(entry: TopologyEntry, path: Path, inputs?: readonly TensorReference[]): TensorReference[] {
    const entries = layersOf(entry);
    const results = new Map<string, Results>();
    const names = toReferences(entry.config.input_layers).map((reference) => reference.layer);
    for (const layer of entries.filter((candidate) => candidate.className === 'InputLayer')) {
      const given = inputs === undefined ? this.#input(layer, path) : inputs[names.indexOf(layer.name)];
      if (given === undefined) throw malformed(`the input "${layer.name}" of the model "${entry.name}" is not connected`);
      results.set(`${layer.name}/0`, () => given);
    }
    const outputs = toReferences(entry.config.output_layers);
    this.#resolve(entries, nodeShifts(entries, outputs), path, results);
    return outputs.map((reference) => {
      const found = results.get(keyOf(reference))?.(reference.tensor);
      if (found === undefined) throw malformed(`the output "${reference.layer}" of the model "${entry.name}" does not exist`);
      return found;
    });
  }

  /** Makes each call as soon as its inputs are known, whatever the order of the file. */
  #resolve(entries: readonly TopologyEntry[], shifts: ReadonlyMap<string, number>, path: Path, results: Map<string, Results>): void {
    const pending = pendingCalls(entries, shifts, results);
    const waiting = new Map<string, PendingCall[]>();
    for (const call of pending) for (const key of call.missing) if (waiting.get(key)?.push(call) === undefined) waiting.set(key, [call]);
    const ready = pending.filter((call) => call.missing.size === 0);
    // The list grows while it is walked.
    for (const { entry, node, key } of ready) {
      const inputs = node.inputs.map((reference) => results.get(keyOf(reference))!(reference.tensor));
      if (inputs.includes(undefined)) throw noSuchInput(entry);
      results.set(key, this.#apply(entry, node, path, inputs as TensorReference[]));
      for (const call of waiting.get(key) ?? []) if (call.missing.delete(key) && call.missing.size === 0) ready.push(call);
    }
    if (ready.length < pending.length) throw noSuchInput(pending.find((call) => call.missing.size > 0)!.entry);
  }

  #apply(entry: TopologyEntry, node: InboundNode, path: Path, inputs: readonly TensorReference[]): Results {
    if (node.keywords.length > 0) {
      throw new TransferKitError(
        'unsupported',
        `layer "${entry.name}" (${entry.className}) is called with ${node.keywords.join(', ')} beside its inputs, which keras-graph cannot do.\n` +
          `  Fix: rebuild the model with layers that take tensors only, and export it again.`,
        { details: { layer: entry.name, className: entry.className, keywords: node.keywords } },
      );
    }
    if (isModel(entry)) {
      const outputs = this.model(entry, [...path, entry], inputs);
      return (output) => outputs[output];
    }
    const [call] = this.#call(entry, path, inputs);
    return (output) => [call, output];
  }

  #input(entry: TopologyEntry, path: Path): TensorReference {
    return this.#call(entry, path, []);
  }

  #call({ name, className, config, archive }: TopologyEntry, path: Path, inputs: readonly TensorReference[]): TensorReference {
    if (this.calls.length >= maximumCalls) throw malformed(`it has more than ${maximumCalls} layers`);
    const key = [...path.map((model) => model.name), name].join('/');
    const known = this.#names.get(key);
    const unique = known ?? this.#uniqueName(name, path);
    if (known === undefined) {
      this.#names.set(key, unique);
      this.#taken.add(unique);
      this.layers.push({ name: unique, className, config, archive: [...path.map((model) => model.archive), archive].join('/') });
    }
    this.calls.push({ layer: unique, inputs });
    return [this.calls.length - 1, 0];
  }

  /** A layer keeps its own name unless a layer of another model has it already. */
  #uniqueName(name: string, path: Path): string {
    let unique = name;
    for (let depth = 1; this.#taken.has(unique); depth++)
      unique =
        depth <= path.length
          ? `${path
              .slice(-depth)
              .map((model) => model.name)
              .join('.')}.${name}`
          : `${unique}.${depth}`;
    return unique;
  }
}

/** A call of a functional model that is not made yet. */
interface PendingCall {
  readonly entry: TopologyEntry;
  readonly node: InboundNode;
  /** Of the call itself; `missing` are the keys of the calls that it needs. */
  readonly key: string;
  readonly missing: Set<string>;
}

const keyOf = (reference: KerasReference): string => `${reference.layer}/${reference.node}`;

function pendingCalls(
  entries: readonly TopologyEntry[],
  shifts: ReadonlyMap<string, number>,
  results: ReadonlyMap<string, Results>,
): PendingCall[] {
  return entries
    .filter((entry) => entry.className !== 'InputLayer')
    .flatMap((entry) =>
      entry.nodes.map((node, index) => {
        const missing = new Set(node.inputs.map(keyOf).filter((key) => !results.has(key)));
        return { entry, node, key: keyOf({ layer: entry.name, node: index + shifts.get(entry.name)!, tensor: 0 }), missing };
      }),
    );
}

const noSuchInput = (entry: TopologyEntry): TransferKitError => malformed(`the layer "${entry.name}" takes an input that no layer gives`);

/** A Sequential may state the shape of its input on its first layer. */
function inputLayerFor(layer: TopologyEntry): TopologyEntry {
  const shape = layer.config.batch_input_shape ?? layer.config.batch_shape;
  const config: JsonObject = shape === undefined ? {} : { batch_input_shape: shape };
  return { className: 'InputLayer', name: `${layer.name}.input`, config, nodes: [], archive: '' };
}

/** Inner models count their own inside as call 0 in most versions of Keras; then calls in the outer model start at 1. */
function nodeShifts(entries: readonly TopologyEntry[], outputs: readonly KerasReference[]): Map<string, number> {
  const highest = new Map<string, number>();
  const note = ({ layer, node }: KerasReference): void => void highest.set(layer, Math.max(node, highest.get(layer) ?? 0));
  outputs.forEach(note);
  for (const entry of entries) for (const node of entry.nodes) node.inputs.forEach(note);
  return new Map(entries.map((entry) => [entry.name, isModel(entry) && (highest.get(entry.name) ?? 0) >= entry.nodes.length ? 1 : 0]));
}

/**
 * Reads a topology of Keras 2, Keras 3 or tfjs and writes models within models out, so that every layer stands on its own.
 * @param config a parsed model.json
 * @throws TransferKitError `bad-config` when it cannot be read, `unsupported` when a layer is called in a way that cannot be kept
 */
export function flattenTopology(config: JsonObject): KerasGraph {
  const root = readTopology(config);
  if (!isModel(root)) throw malformed(`its outermost class is "${root.className}"`);
  const flattener = new Flattener();
  const outputs = flattener.model(root, []);
  return { layers: flattener.layers.map((layer) => (isModern(config) ? withModernNames(layer) : layer)), calls: flattener.calls, outputs };
}

/** Whether Keras 3 or newer wrote a model.json; tfjs itself follows Keras 2. */
function isModern({ modelTopology }: JsonObject): boolean {
  const version = isObject(modelTopology) ? modelTopology.keras_version : undefined;
  return typeof version === 'string' && Number.parseInt(version, 10) >= 3;
}

/** Names whose meaning changed from Keras 2 to Keras 3. */
function withModernNames(layer: GraphLayer): GraphLayer {
  const changed = activationOf(layer.config.activation) === 'hard_sigmoid';
  return changed ? { ...layer, config: { ...layer.config, activation: modernHardSigmoid } } : layer;
}
