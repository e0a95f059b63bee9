import { TransferKitError } from '../errors.js';
import type { DownloadRequest } from '../runtimes/runtime.js';
import type { ByteFile } from '../weights/byte-file.js';
import { isInnerPath, openCheckpointFiles } from '../weights/checkpoint-files.js';
import { readHubListing, type HubFile, type HubListing } from './hub/hub-listing.js';
import { explainHubError } from './hub/hub-error.js';
import { defineSource, type Checkpoint, type Source, type SourceContext } from './source.js';

/** Options of {@link huggingFace}. */
export interface HuggingFaceOptions {
  /** Branch, tag or commit. Default `main`. */
  readonly revision?: string;
}

/** A repository at a revision on a Hub, and what it takes to ask for its files. */
interface HubRepo {
  readonly repo: string;
  readonly revision: string;
  readonly endpoint: string;
  readonly hasToken: boolean;
  readonly origin: string;
  /** Fields that every request shares. */
  readonly request: Omit<DownloadRequest, 'url' | 'key'>;
}

/**
 * A model repository of the Hugging Face Hub, or of a mirror that speaks its routes (`endpoint`, or `HF_ENDPOINT`). Files are kept
 * in the cache by commit; with `offline` only those are used. The token (`token`, or `HF_TOKEN`) goes to the Hub's own host and to
 * no other.
 *
 * Asks over plain `fetch` (within `runtime.download`) and not through `@huggingface/hub`: two routes are needed, and the package
 * hides the headers that tell a missing file from a gated repository and when to come back.
 * @param repo - `owner/name`
 * @throws TransferKitError on opening: `not-found`, `unauthorized`, `network`, `offline`, `corrupt-file`, `bad-config`, `storage`.
 * @example
 * ```ts
 * import { loadPretrained } from 'transferkit';
 * import { huggingFace } from 'transferkit/sources/hugging-face';
 *
 * const base = await loadPretrained(huggingFace('sentence-transformers/all-MiniLM-L6-v2', { revision: 'main' }));
 * ```
 */
export function huggingFace(repo: string, { revision = 'main' }: HuggingFaceOptions = {}): Source {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(repo) || !isInnerPath(repo) || !isInnerPath(revision)) throw badAddress(`${repo}@${revision}`);
  return defineSource({ apiVersion: 1, name: 'hugging-face', open: (context) => openRepo(repo, revision, context) });
}

/**
 * The source of an address `hf://owner/repo@revision`.
 * @throws TransferKitError `bad-option` for an address of another form.
 */
export function huggingFaceUri(uri: string): Source {
  const [, repo, revision] = /^hf:\/\/([^@]+)(?:@(.+))?$/i.exec(uri) ?? [];
  if (repo === undefined) throw badAddress(uri);
  return huggingFace(repo, revision === undefined ? {} : { revision });
}

const badAddress = (received: string): TransferKitError =>
  new TransferKitError('bad-option', `a Hub address has the form hf://owner/repo or hf://owner/repo@revision.\n  received: "${received}"`, {
    details: { received },
  });

async function openRepo(repo: string, revision: string, context: SourceContext): Promise<Checkpoint> {
  const place = describeRepo(repo, revision, context);
  const listing = await fetchListing(place, context);
  const paths = [...listing.files.keys()];
  return openCheckpointFiles({
    origin: place.origin,
    revision: listing.commit,
    license: listing.license,
    names: paths.filter((path) => !path.includes('/')),
    nested: paths.filter((path) => path.includes('/')),
    open: (path) => openHubFile(place, listing, path, context),
  });
}

function describeRepo(repo: string, revision: string, context: SourceContext): HubRepo {
  const { runtime, offline, cacheDir, signal, onProgress } = context;
  const endpoint = (context.endpoint ?? runtime.environment('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, '');
  const token = context.token ?? runtime.environment('HF_TOKEN') ?? runtime.environment('HUGGING_FACE_HUB_TOKEN');
  return {
    repo,
    revision,
    endpoint,
    hasToken: Boolean(token),
    origin: revision === 'main' ? `hf://${repo}` : `hf://${repo}@${revision}`,
    request: {
      ...(token ? { headers: { authorization: `Bearer ${token}` } } : {}),
      ...(offline === undefined ? {} : { offline }),
      ...(cacheDir === undefined ? {} : { cacheDir }),
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    },
  };
}

/** Where files of a repository go in the cache. A mirror has its own place: it may hold other content under the same name. */
function cacheFolder({ repo, endpoint }: HubRepo): string {
  const host = endpoint.replace(/^https?:\/\//, '').replace(/[^\w.-]+/g, '_');
  return `hub/${host}/${repo.replace('/', '--')}`;
}

/** What the revision is now: commit and files. A name may move, so the server is asked again; a commit never does. */
async function fetchListing(place: HubRepo, context: SourceContext): Promise<HubListing> {
  const { repo, revision, endpoint, request } = place;
  const isCommit = /^[0-9a-f]{40}$/.test(revision);
  const { onProgress: _, ...quiet } = request;
  try {
    const file = await context.runtime.download({
      ...quiet,
      url: `${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`,
      key: `${cacheFolder(place)}/revisions/${encodeURIComponent(revision)}.json`,
      revalidate: !isCommit,
    });
    return await readHubListing(file);
  } catch (error) {
    throw explainHubError(error, place);
  }
}

async function openHubFile(place: HubRepo, listing: HubListing, path: string, context: SourceContext): Promise<ByteFile | undefined> {
  const known = listing.files.get(path);
  if (known === undefined) return undefined;
  const { repo, endpoint, request } = place;
  const encodedPath = path.split('/').map(encodeURIComponent).join('/');
  try {
    return await context.runtime.download({
      ...request,
      ...checksOf(known),
      url: `${endpoint}/${repo}/resolve/${listing.commit}/${encodedPath}`,
      key: `${cacheFolder(place)}/${listing.commit}/${path}`,
    });
  } catch (error) {
    throw explainHubError(error, place, path);
  }
}

const checksOf = ({ size, sha256 }: HubFile): Pick<DownloadRequest, 'size' | 'sha256'> => ({
  ...(size === undefined ? {} : { size }),
  ...(sha256 === undefined ? {} : { sha256 }),
});
