import { unknownName } from '../common/nearest-name.js';
import { TransferKitError } from '../errors.js';
import type { BackendChoice, Missing, Runtime } from '../runtimes/runtime.js';
import { eager } from './eager.js';
import type { Engine } from './engine.js';
import type { LoadedOnnxRuntime } from './onnx/onnx-runtime.js';

/** Engines by name; `auto` takes the fastest that can be had. */
export const engineNames = ['auto', 'eager', 'onnx'] as const;
export type EngineName = (typeof engineNames)[number];

/** Options that decide how networks are run. */
export interface EngineOptions {
  /**
   * What runs networks: `onnx` compiles them for ONNX Runtime, `eager` calls tfjs's backend for every operation. Default `auto`: `onnx`
   * where the package is installed, tfjs would compute on the processor and it is faster; or what the environment's `TRANSFERKIT_ENGINE` says.
   */
  readonly engine?: EngineName;
  /** Threads that ONNX Runtime computes with. Default: as many as the program may use cores. */
  readonly threads?: number;
  /** ONNX Runtime's package as you imported it, in place of the one that is installed: `await import('onnxruntime-node')`. */
  readonly onnxRuntime?: object;
}

/** The engine of a base, and why. */
export interface EngineChoice {
  readonly engine: Engine;
  /** What computes, and why that, in words. */
  readonly reason: string;
  /** Threads of ONNX Runtime; undefined for eager. */
  readonly threads?: number | undefined;
  /** Functions that this engine could not run and handed to tfjs, and why: one line each. Grows while the base is used. */
  readonly notes: readonly string[];
}

/** What is asked for, by option or by environment. */
function wantedEngine({ engine }: EngineOptions, runtime: Runtime): EngineName {
  const asked = engine ?? (runtime.environment('TRANSFERKIT_ENGINE') || 'auto');
  const known = engineNames.find((name) => name === asked);
  if (known === undefined) throw unknownName('engine', asked, engineNames);
  return known;
}

function checkThreads(threads: number | undefined): void {
  if (threads === undefined || (Number.isInteger(threads) && threads >= 1 && threads <= 1024)) return;
  throw new TransferKitError(
    'bad-option',
    `threads must be a whole number from 1 to 1024.\n  Received: ${threads}\n  Fix: leave it out, and all cores that the program may use are used.`,
    { details: { threads } },
  );
}

/** What only ONNX Runtime heeds makes no sense where it was declined. */
function checkDeclined({ engine, threads, onnxRuntime }: EngineOptions): void {
  if (engine !== 'eager' || (threads === undefined && onnxRuntime === undefined)) return;
  const option = threads === undefined ? 'onnxRuntime' : 'threads';
  throw new TransferKitError(
    'bad-option',
    `the engine "eager" has no ${option}.\n  Fix: leave out ${option}, or ask for the engine "onnx".`,
    {
      details: { option },
    },
  );
}

const eagerly = ({ backend }: BackendChoice, why: string): EngineChoice => ({
  engine: eager,
  reason: `tfjs (${backend}): ${why}`,
  notes: [],
});

/** @throws TransferKitError `missing-package` */
function cannotHave({ missing }: Missing): TransferKitError {
  return new TransferKitError(
    'missing-package',
    `the engine "onnx" was asked for and cannot be had: ${missing}\n  Fix: install it, or leave out the option engine, and tfjs computes.`,
    { details: { engine: 'onnx' } },
  );
}

/** `4 threads`, `1 thread (the page is not isolated)`; empty where nothing is known of them. */
function threadWords({ session: { intraOpNumThreads: threads }, remark }: LoadedOnnxRuntime): string {
  if (threads === undefined) return '';
  return `, ${threads} ${threads === 1 ? 'thread' : 'threads'}${remark === undefined ? '' : ` (${remark})`}`;
}

async function compiled(found: LoadedOnnxRuntime, rival: string | undefined): Promise<EngineChoice | Missing> {
  const { createOnnxEngine, proveRuntime } = await import('./onnx.js'); // recorder and writer, which tfjs alone does not need
  const proved = await proveRuntime(found, rival);
  if ('missing' in proved) return proved;
  const { processor, graphics, words } = proved;
  const notes: string[] = [];
  return {
    engine: createOnnxEngine(processor, (note) => notes.includes(note) || notes.push(note), graphics),
    reason: [`${processor.name}${threadWords(processor)}`, words].filter(Boolean).join('; '),
    threads: processor.session.intraOpNumThreads,
    notes,
  };
}

/**
 * Chooses the engine of a base.
 * @throws TransferKitError `unknown-name`; `missing-package` where ONNX Runtime was asked for and cannot be had; `bad-option`
 */
export async function chooseEngine(runtime: Runtime, backend: BackendChoice, options: EngineOptions = {}): Promise<EngineChoice> {
  const wanted = wantedEngine(options, runtime);
  checkThreads(options.threads);
  checkDeclined(options);
  if (wanted === 'eager') return eagerly(backend, 'as was asked for');
  if (wanted === 'auto' && backend.hardware !== 'processor') return eagerly(backend, 'it does not compute on the processor');
  const found = (await runtime.loadOnnxRuntime?.({ own: options.onnxRuntime, threads: options.threads })) ?? {
    missing: `the runtime "${runtime.name}" does not offer it`,
  };
  const isUnasked = wanted === 'auto' && options.onnxRuntime === undefined && options.threads === undefined;
  const choice = 'missing' in found ? found : await compiled(found, isUnasked ? backend.backend : undefined);
  if (!('missing' in choice)) return choice;
  if (wanted === 'onnx') throw cannotHave(choice);
  return eagerly(backend, choice.missing);
}
