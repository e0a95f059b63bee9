import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, test } from 'vitest';
import { runtime } from 'transferkit';
import { bundled } from 'transferkit/sources/bundled';
import { folder } from 'transferkit/sources/folder';
import { huggingFace } from 'transferkit/sources/hugging-face';
import { memory } from 'transferkit/sources/memory';
import { tfjs } from 'transferkit/sources/tfjs';
import { testSource } from 'transferkit/testing';
import { startHub } from '../sources/hub-server.js';
import { readFileSync, readdirSync } from 'node:fs';

const golden = (path: string): string => join(import.meta.dirname, '../golden', path);
const checkpoint = golden('bert/sentence-transformers-mean/checkpoint');
const scratch = mkdtempSync(join(tmpdir(), 'transferkit-sources-'));

const files = Object.fromEntries(
  readdirSync(checkpoint, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(checkpoint.length + 1), readFileSync(path)] as const;
    }),
);
const hub = await startHub({ repos: { 'tiny/bert': { files } } });
afterAll(async () => {
  await hub.close();
  rmSync(scratch, { recursive: true, force: true });
});

testSource(bundled('text-small'), { test, companion: 'vocab.txt' });
testSource(folder(checkpoint), { test, companion: 'tokenizer.json' });
testSource(huggingFace('tiny/bert'), {
  test,
  companion: 'tokenizer.json',
  context: { runtime, endpoint: hub.endpoint, cacheDir: scratch },
});
testSource(tfjs(golden('mobilenet-v2/tfjs-keras3/checkpoint')), { test });
testSource(
  memory({
    tensors: { a: { shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) }, b: { shape: [1], values: Int32Array.of(7) } },
    files: { 'notes.txt': 'hello' },
  }),
  { test, companion: 'notes.txt' },
);
