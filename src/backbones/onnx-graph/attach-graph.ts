import type { HostTensor } from '../../engines/engine.js';
import type { LoadedOnnxRuntime } from '../../engines/onnx/onnx-runtime.js';
import { TransferKitError } from '../../errors.js';
import { cutOnnx } from '../../graph/cut-onnx.js';
import { maxOnnxBytes } from '../../graph/onnx-fields.js';
import { FrozenGraph } from '../../layers/frozen-graph.js';
import type { AttachContext, AttachedFiles, BuiltBackbone } from '../backbone.js';
import type { GraphConfig } from './graph-config.js';
import { GraphSession } from './graph-session.js';

/** Where a saved model carries its graph. */
export const savedGraph = 'onnx/model.onnx';

/** How numbers are turned at the edges of a graph. */
export interface GraphEdges {
  readonly enter?: (input: HostTensor) => HostTensor;
  readonly leave?: (output: HostTensor) => HostTensor;
}

/** @throws TransferKitError `missing-package` */
async function loadOnnxRuntime({ runtime, onnxRuntime }: AttachContext): Promise<LoadedOnnxRuntime> {
  const loaded = (await runtime.loadOnnxRuntime?.(onnxRuntime)) ?? { missing: `the runtime "${runtime.name}" does not offer it` };
  if (!('missing' in loaded)) return loaded;
  throw new TransferKitError(
    'missing-package',
    `a network that is an ONNX graph needs ONNX Runtime, and it cannot be had: ${loaded.missing}\n` +
      `  Fix: npm install ${runtime.name === 'node' ? 'onnxruntime-node' : 'onnxruntime-web'}; or load the network from a checkpoint in safetensors.`,
  );
}

const noFile = (file: string): TransferKitError =>
  new TransferKitError('not-found', `there is no file "${file}", which holds the network.\n  Fix: fetch the missing file.`, {
    details: { file },
  });

const otherGraph = (file: string, expected: string, received: string): TransferKitError =>
  new TransferKitError(
    'corrupt-file',
    `"${file}" is not the graph that the configuration tells of.\n  Expected: SHA-256 ${expected}\n  Received: SHA-256 ${received}\n` +
      '  Fix: fetch the folder again as it was saved; where another output is wanted, load the network as it was published.',
    { details: { file, expected, received } },
  );

/** The layer that stands for the graph. */
const graphLayer = ({ groups }: BuiltBackbone): FrozenGraph =>
  groups.flatMap(({ layers }) => layers).find((layer): layer is FrozenGraph => layer instanceof FrozenGraph)!;

/**
 * Reads the graph of a network, cuts it at the output that is meant, loads it into ONNX Runtime and puts it into its layer.
 * @throws TransferKitError `missing-package`, `not-found`, `corrupt-file`, `unknown-name` for an output that is not in it, `unsupported`
 */
export async function attachGraph<Config extends GraphConfig>(
  built: BuiltBackbone,
  config: Config,
  context: AttachContext,
  { enter = (input) => input, leave = (output) => output }: GraphEdges = {},
): Promise<AttachedFiles<Config>> {
  const loaded = await loadOnnxRuntime(context);
  const bytes = await context.file(config.file, { maxBytes: maxOnnxBytes });
  if (bytes === undefined) throw noFile(config.file);
  const cut = cutOnnx(bytes, [config.output]);
  const sha256 = await context.runtime.sha256(cut);
  if (config.sha256 !== null && config.sha256 !== sha256) throw otherGraph(config.file, config.sha256, sha256);
  const session = await GraphSession.open(cut, config, loaded);
  graphLayer(built).runBy(async (inputs) => leave(await session.run(inputs.map(enter))));
  const { variant: _variant, ...kept } = config;
  const providers = loaded.session.executionProviders;
  return {
    config: { ...kept, file: savedGraph, sha256 } as unknown as Config,
    files: new Map([[savedGraph, cut]]),
    runBy: providers === undefined ? loaded.name : `${loaded.name} (${providers.join(', ')})`,
    dispose: () => session.release(),
  };
}
