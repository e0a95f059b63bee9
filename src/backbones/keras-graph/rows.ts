import type { WeightRow } from '../../weights/fill-model.js';
import { layersOfCalls } from './graph.js';
import type { GraphLayer, KerasGraph, TensorReference } from './graph.js';

/** The calls that a tensor needs, in the order of computation. */
export function neededCalls(graph: KerasGraph, [cut]: TensorReference): number[] {
  const needed = new Set([cut]);
  for (let call = cut; call >= 0; call--) if (needed.has(call)) graph.calls[call]!.inputs.forEach(([source]) => needed.add(source));
  return [...needed].sort((a, b) => a - b);
}

/** Weights of the classes whose settings tell them; other classes have those that the file has for them. */
function weightNames({ className, config }: GraphLayer): readonly string[] | undefined {
  const bias = config.use_bias === false ? [] : ['bias'];
  const scaled = [...(config.scale === false ? [] : ['gamma']), ...(config.center === false ? [] : ['beta'])];
  const known: Readonly<Record<string, readonly string[]>> = {
    Conv2D: ['kernel', ...bias],
    Conv2DTranspose: ['kernel', ...bias],
    Dense: ['kernel', ...bias],
    DepthwiseConv2D: ['depthwise_kernel', ...bias],
    SeparableConv2D: ['depthwise_kernel', 'pointwise_kernel', ...bias],
    BatchNormalization: [...scaled, 'moving_mean', 'moving_variance'],
    LayerNormalization: scaled,
    PReLU: ['alpha'],
  };
  return Object.hasOwn(known, className) ? known[className] : undefined;
}

/** What a name in a file says: `mobilenet/Conv1/kernel:0` is the weight `kernel` of the layer `Conv1` in `mobilenet`. */
interface StoredName {
  readonly name: string;
  readonly path: readonly string[];
  readonly weight: string;
}

function readName(name: string): StoredName {
  const parts = name.replace(/:\d+$/, '').split('/');
  return { name, path: parts.slice(0, -1), weight: parts.at(-1)! };
}

/** The stored name of a layer's weight: the one whose path ends with the layer's name, with its outer model's before. */
function findStored(stored: ReadonlyMap<string, readonly StoredName[]>, layer: string, weight: string): string | undefined {
  // A layer that shares its name with one of another model was renamed to `model.layer`.
  const parts = layer.split('.');
  for (let length = 1; length <= parts.length; length++) {
    const own = parts.slice(-length).join('.');
    const outer = parts.at(-length - 1);
    const found = (stored.get(own) ?? []).filter((candidate) => candidate.weight === weight);
    const best = found.find(({ path }) => outer === undefined || path.includes(outer)) ?? found[0];
    if (best !== undefined) return best.name;
  }
  return undefined;
}

/**
 * Rows for every layer before the cut: the same name on both sides, but for scopes in front, Keras 3's depthwise `kernel`, and
 * the numbers of a .keras archive.
 */
export function graphRows(graph: KerasGraph, cut: TensorReference, names: ReadonlySet<string>): WeightRow[] {
  const stored = new Map<string, StoredName[]>();
  for (const name of [...names].map(readName)) {
    const layer = name.path.at(-1) ?? '';
    stored.set(layer, [...(stored.get(layer) ?? []), name]);
  }
  const layersOf = layersOfCalls(graph);
  const needed = new Set(neededCalls(graph, cut).map((call) => layersOf[call]!));
  return [...needed].flatMap((layer) => {
    const weights = weightNames(layer) ?? (stored.get(layer.name) ?? []).map(({ weight }) => weight);
    return weights.map((weight, number): WeightRow => {
      const archived = `${layer.archive ?? ''}/vars/${number}`;
      if (names.has(archived)) return [`${layer.name}/${weight}`, archived, 'copy'];
      const alias = weight === 'depthwise_kernel' ? findStored(stored, layer.name, 'kernel') : undefined;
      return [`${layer.name}/${weight}`, findStored(stored, layer.name, weight) ?? alias ?? `${layer.name}/${weight}`, 'copy'];
    });
  });
}
