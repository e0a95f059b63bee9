import { runtime as defaultRuntime } from '#runtime';
import { attachFiles } from './attach-files.js';
import type { AnyBackbone } from './backbones/backbone.js';
import { findBackbone, matchBackbone, recognises } from './backbones/index.js';
import { Base, type Place } from './base.js';
import { pretrainedNames } from './catalogue.js';
import { chooseEngine, type EngineOptions } from './engines/choose-engine.js';
import { TransferKitError } from './errors.js';
import type { Modality } from './inputs/input.js';
import type { JsonObject } from './common/json.js';
import { nearestName, unknownName } from './common/nearest-name.js';
import { buildGuarded } from './layers/build-guarded.js';
import { disposeModel } from './layers/dispose-model.js';
import { namedWeights } from './layers/named-weights.js';
import type { Runtime } from './runtimes/runtime.js';
import { familyOfSaved, isSaved, savedBase } from './saving/saved-layout.js';
import { openSource } from './sources/index.js';
import type { Checkpoint, DownloadProgress, Source } from './sources/source.js';
import { fillModel } from './weights/fill-model.js';
import { withOrigin } from './common/with-origin.js';

/** A backbone and where its weights come from, when a string does not say enough. */
export interface PretrainedRequest<M extends Modality = Modality> {
  /** A family by name or definition. Default: the one that recognises the checkpoint. */
  readonly backbone?: string | AnyBackbone<M>;
  readonly source: string | Source;
  /** Settings that overrule those of the checkpoint: `{ pooling: 'cls' }`, `{ features: 'conv_pw_13_relu' }`. */
  readonly config?: JsonObject;
  /** Settings that overrule the input recipe: `{ maxLength: 64 }`. */
  readonly input?: JsonObject;
}

/** A known name (`'mobilenet-v2'`), `'hf://owner/repo@revision'`, a path or address, a source, or a request. */
export type PretrainedId = string | Source | PretrainedRequest;

/** Options of `loadPretrained`. */
export interface LoadOptions extends EngineOptions {
  /** tfjs backend: `wasm`, `cpu`, `tensorflow`, `webgpu`. Default: the best that works here. */
  readonly backend?: string;
  readonly runtime?: Runtime;
  /** Never touch the network; use what is cached. */
  readonly offline?: boolean;
  /** Folder of the download cache. */
  readonly cacheDir?: string;
  /** Access token of the Hub. Default: the environment's `HF_TOKEN`. */
  readonly token?: string;
  /** Address of the Hub or of a mirror. */
  readonly endpoint?: string;
  readonly signal?: AbortSignal;
  /** Told of bytes as they arrive. */
  readonly onDownload?: (event: DownloadProgress) => void;
}

/** Names of the options that belong to loading. */
export const loadOptionNames = [
  'backend',
  'engine',
  'threads',
  'onnxRuntime',
  'runtime',
  'offline',
  'cacheDir',
  'token',
  'endpoint',
  'signal',
  'onDownload',
] as const satisfies readonly (keyof LoadOptions)[];

/**
 * Loads a pretrained backbone, without a head: published weights in a network that can be trained.
 *
 * A folder that `model.save` wrote serves too: its base is loaded as it was trained, and its head left out.
 *
 * @param id a known name, `hf://owner/repo`, the path of a folder or file, a source, or a request that names both
 *   backbone and source
 * @throws TransferKitError `unknown-name`, `not-found`, `unauthorized`, `network`, `offline`, `corrupt-file`, `bad-config`,
 *   `weight-mismatch`, `missing-package` for an engine or backend that was asked for
 * @example
 * ```ts
 * import { loadPretrained } from 'transferkit';
 *
 * const base = await loadPretrained('./all-MiniLM-L6-v2'); // or 'hf://sentence-transformers/all-MiniLM-L6-v2'
 * console.log(base.describe());
 * ```
 */
export async function loadPretrained<M extends Modality = Modality>(
  id: string | Source | PretrainedRequest<M>,
  options?: LoadOptions,
): Promise<Base<M>>;
export async function loadPretrained(id: PretrainedId, options: LoadOptions = {}): Promise<Base> {
  const runtime = options.runtime ?? defaultRuntime;
  const place = await choosePlace(runtime, options);
  const request = requestOf(id);
  const checkpoint = await openCheckpoint(request.source, runtime, options).catch((error: unknown) => {
    throw typeof id === 'string' ? withKnownNames(error, id) : error;
  });
  try {
    return await buildBase(await familyFor(checkpoint, request.backbone), checkpoint, request, place);
  } catch (error) {
    throw withOrigin(error, checkpoint.origin);
  } finally {
    await checkpoint.close();
  }
}

/** Where a base is to live: the backend of tfjs, and the engine. */
export async function choosePlace(runtime: Runtime, options: EngineOptions & Pick<LoadOptions, 'backend'>): Promise<Place> {
  const backend = await runtime.chooseBackend(options.backend);
  const { onnxRuntime: own, threads } = options;
  return { runtime, backend, engine: await chooseEngine(runtime, backend, options), onnxRuntime: { own, threads } };
}

/** What is asked for, in full. */
function requestOf(id: PretrainedId): PretrainedRequest {
  if (typeof id === 'string') return Object.hasOwn(pretrainedNames, id) ? pretrainedNames[id]! : { source: id };
  if (typeof id !== 'object' || id === null)
    throw new TransferKitError(
      'bad-option',
      `a base is given by a name, an address, a source or { backbone, source }.\n  Received: ${id === undefined ? 'nothing' : String(id)}`,
    );
  return 'open' in id ? { source: id } : id;
}

/** Where there is nothing at a bare name, the names that are known. */
function withKnownNames(error: unknown, id: string): unknown {
  if (!TransferKitError.isInstance(error) || error.code !== 'not-found' || /[/\\:]/.test(id)) return error;
  const names = Object.keys(pretrainedNames);
  const nearest = nearestName(id, names);
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  const message = `${error.message.slice('not-found: '.length)}\n  Known names: ${names.join(', ')}.${hint}`;
  return new TransferKitError('not-found', message, { details: { ...error.details, names, nearest }, cause: error });
}

/** Opens a checkpoint with the options of loading. */
export function openCheckpoint(source: string | Source, runtime: Runtime, options: LoadOptions): Promise<Checkpoint> {
  const { offline, cacheDir, token, endpoint, signal, onDownload } = options;
  const given = Object.entries({ offline, cacheDir, token, endpoint, signal, onProgress: onDownload }).filter(
    ([, value]) => value !== undefined,
  );
  return openSource(source, { runtime, ...Object.fromEntries(given) });
}

/** The family that was asked for, or the one that the checkpoint belongs to. */
async function familyFor(checkpoint: Checkpoint, wanted: string | AnyBackbone | undefined): Promise<AnyBackbone> {
  const saved = isSaved(checkpoint) ? savedBase(checkpoint).backbone.name : undefined;
  const family = wanted === undefined && saved === undefined ? await matchBackbone(checkpoint) : await findBackbone(wanted ?? saved!);
  if (saved !== undefined && saved !== family.name) throw otherFamily(checkpoint, family.name, saved);
  if (saved !== undefined) return familyOfSaved(family, checkpoint);
  if (typeof wanted === 'string' && !recognises(family, checkpoint)) await refuseOther(checkpoint, family.name);
  return family;
}

/** A family that was named and does not recognise the checkpoint, while another does, is a slip of the pen. */
async function refuseOther(checkpoint: Checkpoint, wanted: string): Promise<void> {
  const right = await matchBackbone(checkpoint).catch(() => undefined);
  if (right !== undefined) throw otherFamily(checkpoint, wanted, right.name);
}

const otherFamily = ({ origin }: Checkpoint, wanted: string, received: string): TransferKitError =>
  new TransferKitError(
    'bad-config',
    `"${origin}" is of another family than was named.\n  Expected: ${wanted}\n  Received: ${received}\n  Fix: leave \`backbone\` out, and the family is found by itself; or open the checkpoint that was meant.`,
    { details: { origin, wanted, received } },
  );

/** The family's config with the caller's settings, which must be settings that the family has. */
function overrideConfig(family: AnyBackbone, config: JsonObject, overrides: JsonObject = {}): JsonObject {
  for (const name of Object.keys(overrides))
    if (!Object.hasOwn(config, name)) throw unknownName(`setting of ${family.name}`, name, Object.keys(config));
  return { ...config, ...overrides };
}

async function buildBase(family: AnyBackbone, checkpoint: Checkpoint, request: PretrainedRequest, place: Place): Promise<Base> {
  const parsed = overrideConfig(family, (await family.parse(checkpoint, request.config)) as JsonObject, request.config);
  const recipe = { ...(await family.input(parsed, checkpoint)), ...request.input };
  const processor = await family.processor(recipe, { runtime: place.runtime, file: (path) => checkpoint.file(path) });
  const built = buildGuarded(family.name, checkpoint, () => family.build(parsed));
  const { config, attached } = await attachFiles(family, built, parsed, {
    ...place,
    file: (path, limits) => checkpoint.file(path, limits),
  });
  try {
    const request = { family: family.name, weights: namedWeights(built.model), checkpoint, tables: family.weights, config };
    const { layout } = await fillModel(request);
    const provenance = await provenanceOf(checkpoint);
    return new Base({ family, config, built, ...(attached && { attached }), processor, provenance, layout, ...place });
  } catch (error) {
    void attached?.dispose();
    disposeModel(built.model);
    throw error;
  }
}

async function provenanceOf(checkpoint: Checkpoint): Promise<Base['provenance']> {
  const { origin, revision, license } = checkpoint;
  const files = await Promise.all(['LICENSE', 'LICENSE.md', 'LICENSE.txt'].map((path) => checkpoint.file(path)));
  const text = files.find((file) => file !== undefined);
  return {
    origin,
    revision,
    ...(license === undefined ? {} : { license }),
    ...(text === undefined ? {} : { licenseText: new TextDecoder().decode(text) }),
  };
}
