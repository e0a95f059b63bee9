import { unknownName } from '../../common/nearest-name.js';
import type { JsonObject } from '../../common/json.js';
import { TransferKitError } from '../../errors.js';
import { settingText } from './graph-config.js';
import type { Checkpoint } from '../../sources/source.js';

/**
 * What the published files of one network differ in, and how their names end; transformers.js calls two of them in another way too.
 * @source transformers.js, `DEFAULT_DTYPE_SUFFIX_MAPPING`
 */
const variantEndings: Readonly<Record<string, string>> = {
  default: '',
  fp32: '',
  fp16: '_fp16',
  quantized: '_quantized',
  q8: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
};

/** Whether a place holds a graph. */
export const holdsGraph = ({ names = [] }: Checkpoint): boolean => names.some((name) => name.endsWith('.onnx'));

const bothAsked = (file: string, variant: string): TransferKitError =>
  new TransferKitError(
    'bad-option',
    `the settings file and variant both say which graph is read.\n  Received: file "${file}", variant "${variant}"\n  Fix: leave one of them out.`,
    { details: { file, variant } },
  );

const which = (origin: string, graphs: readonly string[]): TransferKitError =>
  new TransferKitError(
    'bad-config',
    graphs.length === 0
      ? `"${origin}" holds no graph.\n  Expected: a file such as onnx/model.onnx\n  Received: none\n  Fix: choose a repository that is published for transformers.js, or the .onnx file by its path.`
      : `"${origin}" holds several graphs, none of them called model.onnx.\n  Expected: the one that is meant\n  Received: ${graphs.slice(0, 20).join(', ')}\n  Fix: config: { file: '${graphs[0]}' }`,
    { details: { origin, graphs } },
  );

/** A graph of the usual name, in the folder that is usual or beside the others; else the only one. */
function usualFile(origin: string, graphs: readonly string[], ending: string): string {
  const name = `model${ending}.onnx`;
  const found = [`onnx/${name}`, name].find((path) => graphs.includes(path));
  if (found !== undefined) return found;
  if (graphs.length === 1 && ending === '') return graphs[0]!;
  throw graphs.length === 0 || ending === '' ? which(origin, graphs) : unknownName(`graph of "${origin}"`, `onnx/${name}`, graphs);
}

/**
 * The graph that the settings ask for, else the one that a repository for transformers.js calls its model.
 * @throws TransferKitError `unknown-name` with those that are there; `bad-config` where it cannot be told; `bad-option`
 */
export function graphFile({ origin, names = [] }: Checkpoint, { file, variant }: JsonObject): { file: string; variant: string | null } {
  const graphs = names.filter((name) => name.endsWith('.onnx'));
  const [named, wanted] = [settingText(file), settingText(variant) ?? 'default'];
  if (named !== undefined && variant !== undefined) throw bothAsked(named, wanted);
  if (named !== undefined) {
    if (!graphs.includes(named)) throw unknownName(`graph of "${origin}"`, named, graphs);
    return { file: named, variant: null };
  }
  if (!Object.hasOwn(variantEndings, wanted)) throw unknownName('variant of a graph', wanted, Object.keys(variantEndings));
  return { file: usualFile(origin, graphs, variantEndings[wanted]!), variant: wanted };
}
