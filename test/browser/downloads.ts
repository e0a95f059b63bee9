import { runtime } from '../../src/runtimes/web.js';
import { check, type ConformanceCase } from '../../src/testing/conformance.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';

const here = (path: string): string => new URL(path, location.origin).href;
const quick = { retryDelayMs: 1 };

async function textOf(request: Parameters<typeof runtime.download>[0]): Promise<string> {
  const file = await runtime.download({ ...quick, ...request });
  return new TextDecoder().decode(await file.read(0, file.size));
}

function expectText(received: string, expected: string): void {
  check(received === expected, `expected "${expected}", received "${received}"`);
}

async function keeps(): Promise<void> {
  const request = { url: here('/text/kept'), key: 'kept/a b#c' };
  await expectFailure(() => runtime.download({ ...request, offline: true }), 'offline', 'not in the cache', '/text/kept');
  expectText(await textOf(request), 'kept 1');
  expectText(await textOf(request), 'kept 1');
  expectText(await textOf({ ...request, offline: true }), 'kept 1');
  expectText(await textOf({ ...request, revalidate: true }), 'kept 2');
  expectText(await textOf({ ...request, cacheDir: 'another' }), 'kept 3');
  await expectFailure(() => runtime.download({ ...request, size: 99, offline: true }), 'offline', 'damaged in the cache');
}

async function checksContent(): Promise<void> {
  const sha256 = await runtime.sha256(new TextEncoder().encode('hash 1'));
  const request = { url: here('/text/hash'), key: 'hash', sha256, size: 6 };
  expectText(await textOf(request), 'hash 1');
  expectText(await textOf(request), 'hash 1');
  await expectFailure(() => runtime.download({ ...request, key: 'hash-2' }), 'corrupt-file', 'SHA-256', '/text/hash');
  await expectFailure(() => runtime.download({ url: here('/text/size'), key: 'size', size: 2 }), 'corrupt-file', '2 bytes');
  await expectFailure(() => runtime.download({ url: here('/text/size'), key: 'size', offline: true }), 'offline');
}

async function survivesTrouble(): Promise<void> {
  expectText(await textOf({ url: here('/busy/line'), key: 'busy' }), 'line');
  const request = { url: here('/once/only'), key: 'once' };
  expectText(await textOf(request), 'only');
  expectText(await textOf({ ...request, revalidate: true }), 'only');
  await expectFailure(() => runtime.download({ ...quick, url: here('/status/503'), key: 'x' }), 'network', '503');
  await expectFailure(() => runtime.download({ ...quick, url: here('/status/404'), key: 'x' }), 'not-found', '404');
  await expectFailure(() => runtime.download({ ...quick, url: here('/status/401'), key: 'x' }), 'unauthorized', '401');
  await expectFailure(() => runtime.download({ ...quick, url: 'http://127.0.0.1:1/x', key: 'x' }), 'network', '127.0.0.1:1');
}

async function tellsAndStops(): Promise<void> {
  const events: { loaded: number; total?: number }[] = [];
  await runtime.download({ url: here('/whole/progress'), key: 'folder/progress', onProgress: (event) => events.push(event) });
  check(events.at(-1)?.loaded === 3 << 20 && events.at(-1)?.total === 3 << 20, `the last event was ${JSON.stringify(events.at(-1))}`);
  const stopped = AbortSignal.abort();
  await expectFailure(() => runtime.download({ url: here('/text/stop'), key: 'stop', signal: stopped }), 'aborted', '/text/stop');
  const waiting = AbortSignal.timeout(50);
  const request = { url: here('/status/503'), key: 'wait', retryDelayMs: 60_000, signal: waiting };
  await expectFailure(() => runtime.download(request), 'aborted', '/status/503');
}

async function worksWithoutCache(): Promise<void> {
  Object.defineProperty(globalThis, 'caches', { value: undefined, configurable: true });
  expectText(await textOf({ url: here('/text/uncached'), key: 'uncached' }), 'uncached 1');
  expectText(await textOf({ url: here('/text/uncached'), key: 'uncached' }), 'uncached 2');
}

export const downloadCases: readonly ConformanceCase[] = [
  { name: 'downloads are kept, and had offline', run: keeps },
  { name: 'downloads are checked', run: checksContent },
  { name: 'downloads survive a busy server, and serve what is kept when it is gone', run: survivesTrouble },
  { name: 'downloads tell how far they are, and stop when told', run: tellsAndStops },
  { name: 'downloads work without a cache', run: worksWithoutCache },
];
