import type { LoadedOnnxRuntime, OnnxRuntime } from '../../engines/onnx/onnx-runtime.js';
import { TransferKitError } from '../../errors.js';
import { createOnnxLoader, onnxRuntimeName, unwrapped, type PreparedOnnxRuntime } from '../onnx-loader.js';
import type { Missing, OnnxRuntimeRequest } from '../runtime.js';
import { findGraphicsAdapter } from './graphics-adapter.js';
import { oneAtATime } from './one-at-a-time.js';

/** The npm package. */
const name = 'onnxruntime-web';

/** Settings of onnxruntime-web that hold for the whole page, and only before its first session. */
interface WasmSettings {
  numThreads?: number;
  readonly proxy?: boolean;
}

const wasmSettings = ({ env }: OnnxRuntime): WasmSettings => (env as unknown as { readonly wasm: WasmSettings }).wasm;

// Each import() is written out, inside try: bundlers follow only what they can read, and let an optional package be absent only there.

/** Half the size of the package's main module: it computes on processors alone. */
async function importForProcessor(): Promise<unknown> {
  try {
    return await import('onnxruntime-web/wasm');
  } catch (error) {
    throw error instanceof Error ? error : new Error(String(error));
  }
}

async function importForGraphics(): Promise<OnnxRuntime | Missing> {
  try {
    return unwrapped(await import('onnxruntime-web/webgpu')) ?? { missing: `this ${name} has nothing for it` };
  } catch (error) {
    return { missing: `its part of ${name} does not load: ${error instanceof Error ? error.message : String(error)}` };
  }
}

const startedOtherwise = (running: number, wanted: number): TransferKitError =>
  new TransferKitError(
    'bad-option',
    `ONNX Runtime has ${running} ${running === 1 ? 'thread' : 'threads'} in this page already, which holds for all networks.\n` +
      `  Received: threads: ${wanted}\n  Fix: give the first base of the page the threads that all shall have.`,
    { details: { running, threads: wanted } },
  );

const handsOver = (): TransferKitError =>
  new TransferKitError(
    'bad-option',
    'onnxRuntime.env.wasm.proxy is on: arrays are then handed over to another thread, and weights are lost to this one.\n  Fix: leave env.wasm.proxy off, and load the base in a Web Worker of your own.',
    { details: { option: 'onnxRuntime' } },
  );

/**
 * Sets the threads of the page, where nobody has done it.
 * @throws TransferKitError `bad-option` where others than those that are asked for are set
 */
function setThreads(runtime: OnnxRuntime, asked: number | undefined): Pick<PreparedOnnxRuntime, 'session' | 'remark'> {
  const settings = wasmSettings(runtime);
  const isolated = globalThis.crossOriginIsolated;
  const wanted = isolated ? (asked ?? navigator.hardwareConcurrency) : 1;
  const threads = (settings.numThreads ??= wanted);
  if (asked !== undefined && threads !== wanted) throw startedOtherwise(threads, asked);
  const remark = isolated ? undefined : 'more where the page is cross-origin isolated';
  return { session: { executionProviders: ['wasm'], intraOpNumThreads: threads }, remark };
}

/** By the package's copy: what waits in turn must be one. */
const onGraphics = new WeakMap<OnnxRuntime, OnnxRuntime>();

/** ONNX Runtime for the graphics card, where there is one. @param own the caller's copy, which may have been built for one */
async function forGraphics(own: OnnxRuntime | undefined, threads: number | undefined): Promise<LoadedOnnxRuntime | Missing> {
  const adapter = await findGraphicsAdapter();
  if ('missing' in adapter) return adapter;
  const found = own ?? (await importForGraphics());
  if ('missing' in found) return found;
  if (threads !== undefined) wasmSettings(found).numThreads ??= threads;
  const runtime = onGraphics.get(found) ?? oneAtATime(found);
  onGraphics.set(found, runtime);
  const words = `${onnxRuntimeName(name, found)} on WebGPU${adapter.vendor === '' ? '' : ` (${adapter.vendor})`}`;
  return { runtime, name: words, session: { executionProviders: ['webgpu'] }, ignoresOutputs: true };
}

/** @throws TransferKitError `bad-option` for threads or settings of the caller's copy that cannot be */
function prepare(runtime: OnnxRuntime, { own, threads }: OnnxRuntimeRequest): PreparedOnnxRuntime {
  if (wasmSettings(runtime).proxy === true) throw handsOver();
  const settings = setThreads(runtime, threads);
  return {
    ...settings,
    ignoresOutputs: true,
    rivals: ['wasm'], // measured: both are between 0.7 and 1.3 times as fast as the other
    fix: "its .wasm files must be where the page's program is, or where env.wasm.wasmPaths of the option onnxRuntime says",
    graphics: () => forGraphics(own === undefined ? undefined : runtime, settings.session.intraOpNumThreads),
  };
}

export const onnxLoader = createOnnxLoader({
  package: name,
  gain: 'networks then run on a graphics card that WebGPU offers, and many times as fast as in plain JavaScript',
  load: importForProcessor,
  prepare,
});
