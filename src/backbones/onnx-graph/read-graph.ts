import type { JsonObject } from '../../common/json.js';
import { TransferKitError } from '../../errors.js';
import { maxOnnxBytes } from '../../graph/onnx-fields.js';
import { readOnnx, type OnnxFile } from '../../graph/read-onnx.js';
import type { Checkpoint } from '../../sources/source.js';
import { elementCount } from '../../weights/tensor-value.js';
import type { GraphFacts } from './graph-config.js';
import { graphFile } from './graph-file.js';
import { graphInputs, takesOne, type InputRoles } from './graph-inputs.js';
import { graphOutput, type OutputHabits } from './graph-output.js';

/** The graph of a checkpoint. */
export interface ReadGraph {
  /** Whose it is and where, for messages. */
  readonly where: string;
  readonly onnx: OnnxFile;
  readonly file: string;
  readonly variant: string | null;
}

const weightsOutside = (where: string, files: readonly string[]): TransferKitError =>
  new TransferKitError(
    'unsupported',
    `${where} keeps its weights in other files, which cannot be read yet.\n  Received: ${files.slice(0, 5).map((name) => `"${name.slice(0, 100)}"`).join(', ')}\n` +
      '  Fix: choose a variant that is one file, such as config: { variant: "quantized" }; or load the network from a checkpoint in safetensors.',
    { details: { files } },
  ); // prettier-ignore

/**
 * Reads the graph that the settings ask for.
 * @throws TransferKitError `not-found`, `corrupt-file`, `too-large`; `unsupported` for weights in other files; as `graphFile`
 */
export async function readGraph(checkpoint: Checkpoint, settings: JsonObject): Promise<ReadGraph> {
  const { file, variant } = graphFile(checkpoint, settings);
  const where = `"${file}" of "${checkpoint.origin}"`;
  const bytes = await checkpoint.file(file, { maxBytes: maxOnnxBytes });
  if (bytes === undefined) throw new TransferKitError('not-found', `${where} is listed and not there.\n  Fix: fetch the missing file.`);
  const onnx = readOnnx(bytes);
  if (onnx.externalFiles.length > 0) throw weightsOutside(where, onnx.externalFiles);
  return { where, onnx, file, variant };
}

/** Operations that round activations by the range of the whole batch. */
const wholeBatch = /^DynamicQuantize/;

/** What a tensor depends on: numbers of weights, and whether examples change each other. */
function walkBack({ nodes, initializers }: OnnxFile, output: string): Pick<GraphFacts, 'parameters' | 'oneByOne'> {
  const producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const seen = new Set<string>();
  const open = [output];
  let [parameters, oneByOne] = [0, false];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    parameters += elementCount(initializers.get(name)?.shape ?? [0]);
    const node = producers.get(name);
    if (node === undefined) continue;
    oneByOne ||= wholeBatch.test(node.operator);
    open.push(...node.inputs, ...node.captured);
  }
  return { parameters, oneByOne };
}

/**
 * What a graph tells of itself, and which of its tensors gives the features.
 * @throws TransferKitError `bad-config`, `unknown-name`
 */
export function graphFacts(
  { where, onnx, file, variant }: ReadGraph,
  settings: JsonObject,
  published: JsonObject,
  roles: InputRoles,
  habits: OutputHabits,
): GraphFacts {
  const inputs = graphInputs(where, onnx.inputs, roles);
  const { output, kind, features } = graphOutput(where, onnx, settings, published, habits);
  const { parameters, oneByOne } = walkBack(onnx, output);
  const alone = takesOne(where, onnx.inputs) || oneByOne;
  return { file, variant, sha256: null, inputs, output, kind, features, parameters, oneByOne: alone };
}
