import { io } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { JsonObject } from '../common/json.js';
import { jsonBytes, originOf, textBytes } from '../saving/saved-parts.js';
import { version } from '../saving/version.js';
import { exportCard } from './export-card.js';
import type { ExportSubject } from './export-subject.js';

/** Bytes of one weight file: what browsers load side by side, and keep in their caches. */
const shardBytes = 4 * 1024 * 1024;

/** What tfjs would write of a model. */
async function artifactsOf(model: LayersModel): Promise<io.ModelArtifacts> {
  const saved: io.ModelArtifacts[] = [];
  await model.save(
    io.withSaveHandler((artifacts) => {
      saved.push(artifacts);
      return Promise.resolve({ modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } });
    }),
  );
  return saved[0]!;
}

/** Weights in files of at most `shardBytes`. */
function shards(artifacts: io.ModelArtifacts): Map<string, Uint8Array> {
  const bytes = new Uint8Array(io.CompositeArrayBuffer.join(artifacts.weightData));
  const count = Math.max(1, Math.ceil(bytes.length / shardBytes));
  return new Map(
    Array.from({ length: count }, (_, index) => [
      `group1-shard${index + 1}of${count}.bin`,
      bytes.subarray(index * shardBytes, (index + 1) * shardBytes),
    ]),
  );
}

const preparation =
  'Inputs are as `userDefinedMetadata.input` of model.json says: resized, cropped, then `(byte * scale - mean) / std`, channels last.';

function usage({ model }: ExportSubject): string {
  return [
    '```js',
    "import * as tf from '@tensorflow/tfjs';",
    '',
    "const network = await tf.loadLayersModel('model.json'); // the address that this folder is served at",
    model === undefined ? 'const features = network.predict(pixels);' : 'const scores = tf.softmax(network.predict(pixels));',
    '```',
  ].join('\n');
}

/** Inputs and outputs in words. */
function interfaceOf(network: LayersModel): string {
  const lines = (kind: string, tensors: LayersModel['inputs']): string[] =>
    tensors.map(
      ({ name, dtype, shape }) =>
        `| ${kind} | \`${name}\` | ${dtype} [${shape.map((size, axis) => size ?? (axis === 0 ? 'batch' : 'any')).join(', ')}] |`,
    );
  return ['| | name | tensor |', '|---|---|---|', ...lines('in', network.inputs), ...lines('out', network.outputs), '', preparation].join(
    '\n',
  );
}

/** What is told in `model.json` beside the network. */
function metadata({ base, model }: ExportSubject, files: readonly string[]): JsonObject {
  const labels = model?.head.card.labels;
  return {
    transferkit_export: { format: 1, version, files },
    backbone: base.parts.family.name,
    base: { ...originOf(base) },
    input: base.parts.processor.recipe,
    ...(labels === undefined ? {} : { labels, outputs: 'logits before softmax, one for each label' }),
  };
}

/**
 * The files of a LayersModel folder by name: `model.json`, weight files, a card.
 * @param name what the card calls it
 */
export async function tfjsFolder(subject: ExportSubject, network: LayersModel, name: string): Promise<Map<string, Uint8Array>> {
  const artifacts = await artifactsOf(network);
  const weights = shards(artifacts);
  const files = new Map(weights);
  const facts = { library: 'tfjs', usage: usage(subject), interface: interfaceOf(network), notes: [] };
  files.set('README.md', textBytes(exportCard(subject, name, facts, ['tfjs-layers-model'])));
  const { licenseText } = subject.base.provenance;
  if (licenseText !== undefined) files.set('LICENSE', textBytes(licenseText));
  const json = {
    format: 'layers-model',
    generatedBy: artifacts.generatedBy,
    convertedBy: `TransferKit ${version}`,
    modelTopology: artifacts.modelTopology,
    userDefinedMetadata: metadata(subject, [...files.keys(), 'model.json']),
    weightsManifest: [{ paths: [...weights.keys()], weights: artifacts.weightSpecs }],
  };
  files.set('model.json', jsonBytes(json));
  return files;
}
