import { createHash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { download } from '../../src/runtimes/node/download.js';
import type { DownloadRequest } from '../../src/runtimes/runtime.js';
import { startHub, type HubFault, type LoggedRequest, type RunningHub } from './hub-server.js';
import { temporaryFolder } from './test-runtime.js';

export const content = Uint8Array.from({ length: 400_000 }, (_, index) => (index * 7919) % 251);
export const sha256 = createHash('sha256').update(content).digest('hex');
export const weights = 'model.safetensors';

/** Much quicker than `toEqual` on long arrays. */
export const isContent = (bytes: Uint8Array): boolean => Buffer.compare(bytes, content) === 0;

export let hub: RunningHub;
export let cacheDir: string;

/** Gives each test of a file a fresh Hub and an empty cache. */
export function useDownloadBench(): void {
  beforeEach(async () => {
    hub = await startHub({ repos: { 'acme/net': { files: { [weights]: content, 'config.json': '{"a":1}' } } } });
    cacheDir = temporaryFolder();
  });
  afterEach(async () => {
    await hub.close();
    rmSync(cacheDir, { recursive: true, force: true });
  });
}

export const request = (changed: Partial<DownloadRequest> = {}, path = weights): DownloadRequest => ({
  url: `${hub.endpoint}/acme/net/resolve/main/${path}`,
  key: `net/${path}`,
  cacheDir,
  retryDelayMs: 1,
  ...changed,
});

export async function fetchBytes(changed: Partial<DownloadRequest> = {}, path = weights): Promise<Uint8Array> {
  const file = await download(request(changed, path));
  return file.read(0, file.size);
}

export const misbehave = (fault: HubFault): void => void hub.faults.push(fault);
export const place = (suffix = ''): string => join(cacheDir, 'net', weights + suffix);
export const left = (): string[] => readdirSync(join(cacheDir, 'net')).sort();
export const cdnRequests = (): LoggedRequest[] => hub.log.filter(({ host }) => host === 'cdn');
