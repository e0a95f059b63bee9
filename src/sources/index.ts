import { TransferKitError } from '../errors.js';
import { unknownName } from '../common/nearest-name.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { Checkpoint, Source, SourceContext } from './source.js';

/** A kind of place, and how to tell from an address whether it is meant. */
export interface SourceEntry {
  /** kebab-case, equal to its file's name. */
  readonly name: string;
  /** What its addresses look like, for messages. */
  readonly example: string;
  accepts(uri: string, runtime: Runtime): Promise<boolean> | boolean;
  /** Imports the source, so that only the one that is used is loaded. */
  load(): Promise<(uri: string) => Source>;
}

const isWeb = (uri: string): boolean => /^https?:\/\//i.test(uri);

/** The part before `://`; one letter is a Windows drive. */
const schemeOf = (uri: string): string | undefined => /^([a-z][a-z0-9+.-]+):\/\//i.exec(uri)?.[1]?.toLowerCase();

/** Whether an address may be a path: it has no scheme, or `file:`. */
const isLocal = (uri: string): boolean => [undefined, 'file'].includes(schemeOf(uri));

async function holdsModelJson(path: string, runtime: Runtime): Promise<boolean> {
  if (!isLocal(path)) return false;
  if (path.endsWith('.json')) return (await runtime.openFile(path)) !== undefined;
  const names = (await runtime.listFolder(path))?.map(({ name }) => name) ?? [];
  return names.includes('model.json') && !names.some((name) => name.endsWith('.safetensors'));
}

const isFolderOrWeights = async (path: string, runtime: Runtime): Promise<boolean> =>
  isLocal(path) && (/\.(safetensors|onnx)$/.test(path) || (await runtime.listFolder(path)) !== undefined);

/** Every source of the package, in the order in which they are asked. */
export const sources: readonly SourceEntry[] = [
  {
    name: 'bundled',
    example: 'bundled://text-small',
    accepts: (uri) => schemeOf(uri) === 'bundled',
    load: async () => (await import('./bundled.js')).bundledUri,
  },
  {
    name: 'hugging-face',
    example: 'hf://owner/repo@revision',
    accepts: (uri) => schemeOf(uri) === 'hf',
    load: async () => (await import('./hugging-face.js')).huggingFaceUri,
  },
  {
    name: 'tfjs',
    example: 'path/to/model.json or https://host/model.json',
    accepts: (uri, runtime) => (isWeb(uri) ? /\.json($|\?)/i.test(uri) : holdsModelJson(uri, runtime)),
    load: async () => (await import('./tfjs.js')).tfjs,
  },
  {
    name: 'folder',
    example: 'path/to/folder, path/to/model.safetensors or path/to/model.onnx',
    accepts: isFolderOrWeights,
    load: async () => (await import('./folder.js')).folder,
  },
  {
    name: 'memory',
    example: 'memory({ tensors })',
    accepts: () => false,
    load: async () => {
      const { memory } = await import('./memory.js');
      return (origin) => memory({ origin, tensors: {} });
    },
  },
];

/**
 * Opens a checkpoint by its address, or by a source that was made with options of its own.
 * @throws TransferKitError `unknown-name` for an address of no known kind, `not-found` for a path with nothing at it, and what the source throws.
 * @example
 * ```ts
 * const checkpoint = await openSource('hf://sentence-transformers/all-MiniLM-L6-v2', { runtime });
 * ```
 */
export async function openSource(source: string | Source, context: SourceContext): Promise<Checkpoint> {
  if (typeof source !== 'string') return source.open(context);
  for (const entry of sources) {
    if (await entry.accepts(source, context.runtime)) return (await entry.load())(source).open(context);
  }
  throw nothingAt(source);
}

function nothingAt(uri: string): TransferKitError {
  const scheme = schemeOf(uri);
  const forms = sources.map(({ example }) => example);
  if (scheme !== undefined && !['file', 'http', 'https'].includes(scheme)) return unknownName('source for the address', uri, forms);
  const onHub = /^\w[\w.-]*\/\w[\w.-]*$/.test(uri) ? ` For a repository of the Hub write "hf://${uri}".` : '';
  return new TransferKitError('not-found', `there is no checkpoint at "${uri}".${onHub}\n  Known: ${forms.join(', ')}`, {
    details: { uri },
  });
}
