import { TransferKitError, type TransferKitErrorCode } from '../errors.js';
import type { JsonObject } from '../common/json.js';
import type { ByteFile } from '../weights/byte-file.js';
import { isInnerPath, licenseOfCard, makeCheckpoint, readCompanion } from '../weights/checkpoint-files.js';
import { concatFiles } from '../weights/concat-files.js';
import { contentSample } from '../weights/content-sample.js';
import { readJsonObject } from '../weights/read-json.js';
import { noSuchTensor } from '../weights/tensor-files.js';
import { locateTensors, parseManifest, type LocatedTensor, type WeightGroup } from '../weights/tfjs-manifest.js';
import { defineSource, type Checkpoint, type Source, type SourceContext } from './source.js';

/** Where a model.json and its neighbours are had from. */
interface ModelPlace {
  /** Name of the model file among its neighbours. */
  readonly modelFile: string;
  readonly license?: string | undefined;
  /** Opens a neighbour; undefined where there is none. */
  open(path: string): Promise<ByteFile | undefined>;
}

/**
 * A tfjs LayersModel: `model.json` with its shards, as Keras, tfjs and Teachable Machine write them. Weights may be quantised to
 * uint8, uint16 or float16. The config is the parsed file without its weight manifest; neighbours such as `metadata.json` are
 * companion files.
 * @param location - path of a `model.json` or of a folder that holds one, or its http(s) address.
 * @throws TransferKitError on opening: `not-found`, `corrupt-file`, `unsupported` for a GraphModel, `network`, `offline`.
 * @example
 * ```ts
 * import { loadPretrained } from 'transferkit';
 * import { tfjs } from 'transferkit/sources/tfjs';
 *
 * const base = await loadPretrained(tfjs('my-teachable-machine/model.json'));
 * ```
 */
export const tfjs = (location: string): Source =>
  defineSource({ apiVersion: 1, name: 'tfjs', open: (context) => openTfjs(location, context) });

async function openTfjs(location: string, context: SourceContext): Promise<Checkpoint> {
  const place = /^https?:\/\//i.test(location) ? await webPlace(location, context) : await localPlace(location, context);
  const modelFile = await place.open(place.modelFile);
  if (modelFile === undefined) throw nothingThere(location);
  const { weightsManifest, ...config } = await readJsonObject(modelFile);
  checkLayersModel(config, location);
  const streams = await openStreams(parseManifest(weightsManifest, location), place, location);
  const tensors = collectTensors(streams, location);
  const identity = { origin: location, revision: await revisionOf(modelFile, streams, context), license: place.license };
  return makeCheckpoint(identity, config, {
    tensors: new Map([...tensors].map(([name, { info }]) => [name, info])),
    tensor: async (name) => {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw noSuchTensor(location, name, tensors.keys());
      return tensor.read();
    },
    file: (path) => readCompanion(place, path).catch(undefinedWhere('offline')),
  });
}

async function localPlace(location: string, { runtime }: SourceContext): Promise<ModelPlace> {
  const path = runtime.joinPath(location);
  const isFolder = (await runtime.listFolder(path)) !== undefined;
  const cut = isFolder ? path.length : Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  const root = cut < 0 ? '.' : path.slice(0, cut) || '/';
  const open = (name: string) => (isInnerPath(name) ? runtime.openFile(runtime.joinPath(root, name)) : Promise.resolve(undefined));
  const license = licenseOfCard(await readCompanion({ open }, 'README.md'));
  return { modelFile: isFolder ? 'model.json' : path.slice(cut + 1), license, open };
}

/** Neighbours of an address are asked for with its query, as tfjs does: some servers tell files by it. */
async function webPlace(location: string, context: SourceContext): Promise<ModelPlace> {
  const { runtime, offline, cacheDir, signal, onProgress } = context;
  const base = new URL(location);
  const folder = new URL('.', base);
  const addressHash = await runtime.sha256(new TextEncoder().encode(folder.href + base.search));
  const key = `web/${base.hostname}/${addressHash.slice(0, 16)}`;
  const shared = {
    offline: offline ?? false,
    revalidate: true,
    ...(cacheDir && { cacheDir }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  };
  const open = async (name: string): Promise<ByteFile | undefined> => {
    if (!isInnerPath(name)) return undefined;
    const url = new URL(name.split('/').map(encodeURIComponent).join('/') + base.search, folder).href;
    return runtime.download({ ...shared, url, key: `${key}/${name}` }).catch(undefinedWhere('not-found'));
  };
  return { modelFile: decodeURIComponent(base.pathname.slice(folder.pathname.length)), open };
}

/** Turns one kind of error into "there is none". */
const undefinedWhere =
  (code: TransferKitErrorCode) =>
  (error: unknown): undefined => {
    if (TransferKitError.isInstance(error) && error.code === code) return undefined;
    throw error;
  };

const nothingThere = (location: string): TransferKitError =>
  new TransferKitError(
    'not-found',
    `there is no model.json at "${location}". Fix: give the path or address of the file itself, or of the folder that holds it.`,
    {
      details: { location },
    },
  );

function checkLayersModel(config: JsonObject, location: string): void {
  const { format, modelTopology } = config;
  const topology =
    typeof modelTopology === 'object' && modelTopology !== null && !Array.isArray(modelTopology)
      ? (modelTopology as JsonObject)
      : undefined;
  if (format === 'graph-model' || Array.isArray(topology?.['node'])) {
    throw new TransferKitError(
      'unsupported',
      `"${location}" is a GraphModel: its graph is frozen, so it could serve as a feature extractor only, and that is not in this build.\n` +
        '  Fix: export the model as a LayersModel (tensorflowjs_converter --output_format=tfjs_layers_model).',
      { details: { location, format } },
    );
  }
  if (topology === undefined) {
    throw new TransferKitError(
      'corrupt-file',
      `"${location}" is no tfjs model.\n  expected: { modelTopology, weightsManifest }\n  received: ${Object.keys(config).slice(0, 10).join(', ') || 'none of them'}`,
      {
        details: { location },
      },
    );
  }
}

interface GroupStream {
  readonly group: WeightGroup;
  readonly stream: ByteFile;
}

async function openStreams(groups: readonly WeightGroup[], place: ModelPlace, location: string): Promise<GroupStream[]> {
  const streams: GroupStream[] = [];
  for (const group of groups) {
    const shards: ByteFile[] = [];
    for (const path of group.paths) shards.push(await openShard(path, place, location));
    streams.push({ group, stream: concatFiles(shards, `${location} (${group.paths.slice(0, 3).join(', ')})`) });
  }
  return streams;
}

async function openShard(path: string, place: ModelPlace, location: string): Promise<ByteFile> {
  const shard = await place.open(path);
  if (shard !== undefined) return shard;
  throw new TransferKitError(
    'not-found',
    `"${location}" lacks its weight file "${path}". Fix: put the file beside model.json; it may not lie outside of that folder.`,
    {
      details: { location, file: path },
    },
  );
}

function collectTensors(streams: readonly GroupStream[], location: string): ReadonlyMap<string, LocatedTensor> {
  const tensors = new Map<string, LocatedTensor>();
  for (const [name, tensor] of streams.flatMap(({ group, stream }) => [...locateTensors(group, stream)])) {
    if (tensors.has(name))
      throw new TransferKitError('corrupt-file', `"${location}" has two tensors "${name}". Fix: export the model again.`, {
        details: { location, tensor: name },
      });
    tensors.set(name, tensor);
  }
  return tensors;
}

/** SHA-256 over the model file and the weight streams; a very large one is represented by its {@link contentSample}. */
async function revisionOf(modelFile: ByteFile, streams: readonly GroupStream[], { runtime }: SourceContext): Promise<string> {
  const parts = [await runtime.sha256(await modelFile.read(0, modelFile.size))];
  for (const { stream } of streams) parts.push(`${stream.size} ${await runtime.sha256(await contentSample(stream))}`);
  return `sha256:${await runtime.sha256(new TextEncoder().encode(parts.join('\n')))}`;
}
