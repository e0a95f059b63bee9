import type { Base } from '../base.js';
import type { JsonObject } from '../common/json.js';
import type { WeightTable } from '../weights/fill-model.js';
import { adaptableLayers } from './match-targets.js';

/** What one ecosystem calls the layers of a base that can be adapted. */
export interface ModuleNames {
  /** Whether they are modules of PyTorch, as PEFT knows them; else they are our own names. */
  readonly torch: boolean;
  /** Our layer names by theirs. */
  readonly layers: ReadonlyMap<string, string>;
  /** Every tensor that the base itself is filled from. */
  readonly tensors: ReadonlySet<string>;
  /** Tensors of the checkpoint that the network has no place for: heads, a pooler that is not used. */
  readonly ignore: readonly RegExp[];
}

/** PyTorch keeps the kernel of a module under this name. */
const kernelEnding = '.weight';

/** The names of a weight table; undefined where it names tensors in another way than PyTorch. */
function torchNames(table: WeightTable<JsonObject>, base: Base): ModuleNames | undefined {
  const { config, built } = base.parts;
  const rows = table.rows(config, new Set());
  const theirs = new Map(rows.map(([ours, name]) => [ours, name]));
  const layers = new Map<string, string>();
  for (const { layer, linear } of adaptableLayers(built)) {
    const tensor = theirs.get(linear.kernel.originalName);
    if (tensor?.endsWith(kernelEnding) !== true) return undefined;
    layers.set(tensor.slice(0, -kernelEnding.length), layer.name);
  }
  return { torch: true, layers, tensors: new Set(theirs.values()), ignore: table.ignore };
}

/** All ways of naming a base's layers: that of its own checkpoint first, then PyTorch's other ones, then ours. */
export function moduleNames(base: Base): readonly ModuleNames[] {
  const { family, layout, built } = base.parts;
  const tables = Object.entries(family.weights) as [string, WeightTable<JsonObject>][];
  const ordered = [...tables.filter(([name]) => name === layout), ...tables.filter(([name]) => name !== layout)];
  const found = ordered.flatMap(([, table]) => torchNames(table, base) ?? []);
  const own = new Map(adaptableLayers(built).map(({ layer }) => [layer.name, layer.name]));
  return [...found, { torch: false, layers: own, tensors: new Set(), ignore: [] }];
}
