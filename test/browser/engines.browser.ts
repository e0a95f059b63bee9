import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { bundlePage } from './bundle-page.js';
import { testInChromium } from './open-chromium.js';

const folder = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));
const names = ['ort-wasm-simd-threaded.wasm', 'ort-wasm-simd-threaded.asyncify.wasm'];

/** A page with the files of onnxruntime-web beside it, where it looks for them. */
async function withOrt(program: string): Promise<ReadonlyMap<string, Uint8Array>> {
  return new Map([
    ...(await bundlePage(program)),
    ...names.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))] as const),
  ]);
}

await testInChromium(async () => ({
  engine: { title: 'ONNX Runtime in Chromium', files: await withOrt('engine-page.ts'), isolated: false },
  threads: { title: 'ONNX Runtime in Chromium with threads', files: await withOrt('engine-threads-page.ts'), isolated: true },
  graphics: { title: 'ONNX Runtime in Chromium on WebGPU', files: await withOrt('engine-graphics-page.ts'), isolated: false },
  lost: { title: 'in Chromium, without the files of onnxruntime-web', files: await bundlePage('engine-broken-page.ts'), isolated: false },
  absent: {
    title: 'in Chromium, without onnxruntime-web',
    files: await bundlePage('engine-broken-page.ts', { absent: ['onnxruntime-web'] }),
    isolated: false,
  },
}));
