import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, resolve } from 'node:path';
import { runtime } from 'transferkit/node';

const pictures = resolve(import.meta.dirname, '../golden/inputs');
const { resolve: find } = createRequire(import.meta.url);
const wasm = dirname(find('@tensorflow/tfjs-backend-wasm/package.json')) + '/dist';
const ort = dirname(find('onnxruntime-web'));
const html = '<!doctype html><meta charset="utf-8"><script type="module" src="page.js"></script>';
const limits = { maxBytes: 1e8, maxPixels: 1e8 };

/** Three megabytes that are easy to check: each byte is its place modulo 251. */
const large = Uint8Array.from({ length: 3 << 20 }, (_, index) => index % 251);

interface Answer {
  readonly status?: number;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** Part of a file, when the browser asks for one. */
function ranged(body: Uint8Array, range: string | undefined): Answer {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
  if (start === undefined) return { body };
  const last = Math.min(Number(end), body.length - 1);
  const headers = { 'content-range': `bytes ${start}-${last}/${body.length}` };
  return Number(start) > last ? { status: 416 } : { status: 206, headers, body: body.subarray(Number(start), last + 1) };
}

/** Node's pixels of a picture, to compare the browser's with. */
async function decoded(name: string): Promise<Answer> {
  const { width, height, data } = await runtime.decodeImage(readFileSync(resolve(pictures, name)), name, limits);
  return { headers: { 'x-size': `${width} ${height}` }, body: new Uint8Array(data) };
}

type Route = (name: string, request: IncomingMessage, visits: number) => Answer | Promise<Answer>;

/** By the first part of the address. `visits` counts how often the same address was asked for, this time included. */
const routes: Readonly<Record<string, Route>> = {
  wasm: (name) => ({ type: 'application/wasm', body: readFileSync(resolve(wasm, name)) }),
  ort: (name) => ({ type: name.endsWith('.wasm') ? 'application/wasm' : 'text/javascript', body: readFileSync(resolve(ort, name)) }),
  picture: (name) => ({ body: readFileSync(resolve(pictures, name)) }),
  decoded,
  ranged: (name, { headers }) => ranged(name === 'empty' ? new Uint8Array() : large, headers.range),
  whole: () => ({ body: large }),
  text: (name, _request, visits) => ({ body: `${name} ${visits}`, headers: { 'cache-control': 'no-store' } }),
  busy: (name, _request, visits) => (visits < 3 ? { status: 503 } : { body: name, headers: { 'cache-control': 'no-store' } }),
  once: (name, _request, visits) => (visits > 1 ? { status: 503 } : { body: name, headers: { 'cache-control': 'no-store' } }),
  status: (name) => ({ status: Number(name) }),
  application: () => ({ type: 'text/html', body: html }),
};

/** One page, and what its tests are called. `isolated` pages may use threads. */
export interface ServedPage {
  readonly title: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly isolated: boolean;
}

/** A running server. */
export interface PageServer {
  /** Ends in a slash. */
  readonly address: string;
  close(): void;
}

/** Serves pages (`/<name>/`), and beside them what their cases ask for. */
export async function servePages(pages: Readonly<Record<string, ServedPage>>): Promise<PageServer> {
  const visits = new Map<string, number>();
  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const { pathname } = new URL(request.url!, 'http://localhost');
    const [folder = '', ...rest] = pathname.slice(1).split('/');
    const name = rest.join('/');
    visits.set(pathname, (visits.get(pathname) ?? 0) + 1);
    const page = pages[folder];
    const isolation = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
    const headers = page?.isolated ? isolation : {};
    if (page !== undefined && name === '') return { type: 'text/html', body: html, headers };
    const file = page?.files.get(name);
    if (file !== undefined && name.endsWith('.js')) return { type: 'text/javascript', body: file, headers };
    if (file !== undefined && name.endsWith('.wasm')) return { type: 'application/wasm', body: file };
    if (file !== undefined) return ranged(file, request.headers.range);
    return routes[folder]?.(name, request, visits.get(pathname)!) ?? { status: 404 };
  };
  const send = (response: ServerResponse, { status = 200, type = 'application/octet-stream', headers = {}, body = '' }: Answer): void => {
    response.writeHead(status, { 'content-type': type, 'content-length': body.length, ...headers });
    response.end(body);
  };
  const server = createServer((request, response) => {
    answer(request).then(
      (given) => send(response, given),
      () => send(response, { status: 404 }),
    );
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as { port: number };
  return {
    address: `http://127.0.0.1:${port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
