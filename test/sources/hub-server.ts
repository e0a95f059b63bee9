/**
 * A small server that speaks the Hub's routes, for tests: repository info, file resolution, and a "CDN" on another port that large
 * files are redirected to. It logs what it is asked, and can be told to misbehave.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HubRepoContent {
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  readonly license?: string;
  /** A token without which the repository is not shown. */
  readonly token?: string;
  /** The token is accepted and the terms are not. */
  readonly gated?: boolean;
  /** Names of further branches or tags that point at the same commit. */
  readonly branches?: readonly string[];
}

/** What to do instead of answering well. */
export interface HubFault {
  /** Tested against `hub GET /path` or `cdn GET /path`. */
  readonly match: RegExp;
  /** How often; default always. */
  times?: number;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Answer, and cut the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Answer with these bytes instead. */
  readonly body?: Uint8Array;
  /** Ignore the Range header. */
  readonly ignoreRange?: boolean;
  /** Leave out ETag and Last-Modified. */
  readonly noValidator?: boolean;
  /** Wait before answering. */
  readonly delayMs?: number;
}

export interface LoggedRequest {
  readonly host: 'hub' | 'cdn';
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export interface RunningHub {
  readonly endpoint: string;
  readonly cdn: string;
  readonly log: LoggedRequest[];
  readonly faults: HubFault[];
  readonly repos: Record<string, HubRepoContent>;
  commitOf(repo: string): string;
  close(): Promise<void>;
}

const toBytes = (file: string | Uint8Array): Uint8Array => (typeof file === 'string' ? new TextEncoder().encode(file) : file);
const digest = (algorithm: string, bytes: Uint8Array): string => createHash(algorithm).update(bytes).digest('hex');
const isLarge = (path: string): boolean => /\.(safetensors|bin|h5|onnx)$/.test(path);

const listen = (server: Server): Promise<string> =>
  new Promise((done) => server.listen(0, '127.0.0.1', () => done(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)));

const stop = (server: Server): Promise<void> =>
  new Promise((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });

/** A commit is a function of the content, so a changed repository has a new one. */
function commitOf(content: HubRepoContent): string {
  const hash = createHash('sha1');
  for (const [path, file] of Object.entries(content.files)) hash.update(path).update(toBytes(file));
  return hash.digest('hex');
}

function refuse(response: ServerResponse, status: number, errorCode: string): void {
  response
    .writeHead(status, { 'x-error-code': errorCode, 'x-error-message': errorCode, 'content-type': 'application/json' })
    .end(JSON.stringify({ error: errorCode }));
}

function takeFault(faults: HubFault[], line: string): HubFault | undefined {
  const fault = faults.find(({ match, times }) => match.test(line) && times !== 0);
  if (fault?.times !== undefined) fault.times--;
  return fault;
}

/** Sends bytes, whole or a range, as a careful server does, or as the fault says. */
function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  headers: Record<string, string>,
  fault: HubFault | undefined,
): void {
  const { etag } = headers;
  if (etag !== undefined && request.headers['if-none-match'] === etag) return void response.writeHead(304, headers).end();
  const ifRange = request.headers['if-range'];
  const wanted =
    fault?.ignoreRange || (ifRange !== undefined && ifRange !== etag) ? undefined : /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = Number(wanted?.[1] ?? 0);
  const end = wanted?.[2] ? Number(wanted[2]) + 1 : bytes.length;
  if (start >= bytes.length && wanted) return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
  const body = bytes.subarray(start, end);
  const range = wanted ? { 'content-range': `bytes ${start}-${start + body.length - 1}/${bytes.length}` } : {};
  response.writeHead(wanted ? 206 : 200, { ...headers, ...range, 'content-length': String(body.length), 'accept-ranges': 'bytes' });
  if (request.method === 'HEAD') return void response.end();
  if (fault?.cutAfter === undefined) return void response.end(body);
  response.write(body.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 20));
}

function infoOf(repo: string, content: HubRepoContent, withBlobs: boolean): object {
  const siblings = Object.entries(content.files).map(([rfilename, file]) => {
    const bytes = toBytes(file);
    if (!withBlobs) return { rfilename };
    const lfs = { sha256: digest('sha256', bytes), size: bytes.length, pointerSize: 134 };
    return { rfilename, size: bytes.length, blobId: digest('sha1', bytes), ...(isLarge(rfilename) ? { lfs } : {}) };
  });
  const common = {
    _id: '1',
    id: repo,
    modelId: repo,
    private: false,
    gated: false,
    likes: 0,
    downloads: 0,
    lastModified: '2024-01-01T00:00:00.000Z',
    pipeline_tag: 'feature-extraction',
  };
  return { ...common, sha: commitOf(content), tags: content.license === undefined ? [] : [`license:${content.license}`], siblings };
}

/** Starts a Hub with these repositories on two free loopback ports. */
export async function startHub({ repos }: { repos: Record<string, HubRepoContent> }): Promise<RunningHub> {
  const log: LoggedRequest[] = [];
  const faults: HubFault[] = [];
  const contentBySha = (sha: string) =>
    Object.values(repos)
      .flatMap(({ files }) => Object.values(files))
      .map(toBytes)
      .find((bytes) => digest('sha256', bytes) === sha);

  /** The repository at a path that the caller may see, or an answer that says why not. */
  const enter = (request: IncomingMessage, response: ServerResponse, repo: string, revision: string): HubRepoContent | undefined => {
    const content = repos[repo];
    const isKnown = content !== undefined && (content.token === undefined || request.headers.authorization === `Bearer ${content.token}`);
    if (!isKnown) refuse(response, request.headers.authorization ? 404 : 401, 'RepoNotFound');
    else if (content.gated) refuse(response, 403, 'GatedRepo');
    else if (!['main', 'HEAD', commitOf(content), ...(content.branches ?? [])].includes(revision))
      refuse(response, 404, 'RevisionNotFound');
    else return content;
    return undefined;
  };

  const resolveFile = (
    request: IncomingMessage,
    response: ServerResponse,
    content: HubRepoContent,
    path: string,
    fault: HubFault | undefined,
  ): void => {
    const file = content.files[path];
    if (file === undefined) return refuse(response, 404, 'EntryNotFound');
    const bytes = toBytes(file);
    const commit = { 'x-repo-commit': commitOf(content) };
    if (!isLarge(path)) return sendBytes(request, response, fault?.body ?? bytes, { ...commit, etag: `"${digest('sha1', bytes)}"` }, fault);
    const sha = digest('sha256', bytes);
    const linked = { 'x-linked-etag': `"${sha}"`, 'x-linked-size': String(bytes.length) };
    response.writeHead(302, { ...commit, ...linked, location: `${hub.cdn}/blobs/${sha}?signature=secret-signature` }).end();
  };

  const serveHub = (request: IncomingMessage, response: ServerResponse, fault: HubFault | undefined): void => {
    const url = new URL(request.url!, 'http://hub');
    const info = /^\/api\/models\/(.+?)(?:\/revision\/([^/]+))?$/.exec(url.pathname);
    const file = /^\/(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    const [, repo, revision = 'main', path] = info ?? file ?? [];
    if (repo === undefined) return refuse(response, 404, 'RouteNotFound');
    const content = enter(request, response, repo, decodeURIComponent(revision));
    if (content === undefined) return;
    if (path !== undefined) return resolveFile(request, response, content, decodeURIComponent(path), fault);
    const body = toBytes(JSON.stringify(infoOf(repo, content, url.searchParams.get('blobs') === 'true')));
    sendBytes(request, response, fault?.body ?? body, { 'content-type': 'application/json', etag: `W/"${digest('sha1', body)}"` }, fault);
  };

  const serveCdn = (request: IncomingMessage, response: ServerResponse, fault: HubFault | undefined): void => {
    const bytes = contentBySha(new URL(request.url!, 'http://cdn').pathname.split('/').at(-1)!);
    if (bytes === undefined) return void response.writeHead(404).end();
    const validator: Record<string, string> = fault?.noValidator ? {} : { etag: `"cdn-${digest('md5', bytes)}"` };
    sendBytes(request, response, fault?.body ?? bytes, validator, fault);
  };

  const serve = (host: 'hub' | 'cdn', answer: typeof serveHub) => async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url!.split('?')[0]!;
    log.push({ host, method: request.method!, path, headers: request.headers });
    const fault = takeFault(faults, `${host} ${request.method} ${path}`);
    if (fault?.delayMs) await new Promise((done) => setTimeout(done, fault.delayMs));
    if (fault?.status !== undefined) return void response.writeHead(fault.status, fault.headers).end();
    answer(request, response, fault);
  };

  const hubServer = createServer(serve('hub', serveHub));
  const cdnServer = createServer(serve('cdn', serveCdn));
  const hub: RunningHub = {
    endpoint: await listen(hubServer),
    cdn: await listen(cdnServer),
    log,
    faults,
    repos,
    commitOf: (repo) => commitOf(repos[repo]!),
    close: async () => void (await Promise.all([stop(hubServer), stop(cdnServer)])),
  };
  return hub;
}
