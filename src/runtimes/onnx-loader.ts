import type { LoadedOnnxRuntime, OnnxRuntime } from '../engines/onnx/onnx-runtime.js';
import { TransferKitError } from '../errors.js';
import type { Missing, OnnxRuntimeRequest } from './runtime.js';

/** What is to be known of ONNX Runtime beside what it is. */
export type PreparedOnnxRuntime = Omit<LoadedOnnxRuntime, 'runtime' | 'name'>;

/** How ONNX Runtime is had in one place. */
export interface OnnxPlace {
  /** The npm package. */
  readonly package: string;
  /** What having it gives: the rest of a sentence. */
  readonly gain: string;
  /** Imports it. */
  readonly load: () => Promise<unknown>;
  /** Makes it ready and tells what is to be known of it. */
  readonly prepare: (runtime: OnnxRuntime, request: OnnxRuntimeRequest) => PreparedOnnxRuntime;
}

/** Finds ONNX Runtime. */
export interface OnnxLoader {
  /** @throws TransferKitError `bad-option` for an `own` that is something else */
  load(request?: OnnxRuntimeRequest): Promise<LoadedOnnxRuntime | Missing>;
  /** What the last search found, in words; undefined before the first. */
  describe(): string | undefined;
}

/** Package and version: `onnxruntime-node 1.30.0`. */
export const onnxRuntimeName = (name: string, { env }: OnnxRuntime): string => `${name} ${env.versions.common}`;

const isRuntime = (value: unknown): value is OnnxRuntime => {
  const { InferenceSession: session, Tensor: tensor } = (value ?? {}) as Partial<OnnxRuntime>;
  return typeof session?.create === 'function' && typeof tensor === 'function';
};

/** The package itself, or what a loader put around it; undefined where it is something else. */
export const unwrapped = (module: unknown): OnnxRuntime | undefined =>
  [module, (module as { default?: unknown } | undefined)?.default].find(isRuntime);

/** Why an import failed, and what it would give, in one line. */
function reasonOf(error: unknown, { package: name, gain }: OnnxPlace): string {
  const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
  const notThere = reason.includes(name) && /cannot find|resolve|not installed|bare specifier/i.test(reason);
  return notThere
    ? `${name} not installed (npm install ${name}: ${gain})`
    : `${name} is installed and does not load: ${reason} (with it ${gain})`;
}

const notOnnxRuntime = (name: string, own: object): TransferKitError =>
  new TransferKitError(
    'bad-option',
    `the option onnxRuntime is not ONNX Runtime.\n  Expected: the module of ${name}, with InferenceSession and Tensor\n  Received: an object with ${Object.keys(own).slice(0, 5).join(', ') || 'nothing in it'}\n  Fix: { onnxRuntime: await import('${name}') }`,
    { details: { package: name } },
  );

/** Makes what finds ONNX Runtime. The package is imported once. */
export function createOnnxLoader(place: OnnxPlace): OnnxLoader {
  let imported: Promise<OnnxRuntime | Missing> | undefined;
  let words: string | undefined;

  async function importIt(): Promise<OnnxRuntime | Missing> {
    try {
      const runtime = unwrapped(await place.load());
      return runtime ?? { missing: `${place.package} is installed and is not what it should be` };
    } catch (error) {
      return { missing: reasonOf(error, place) };
    }
  }

  async function find(own: object | undefined): Promise<OnnxRuntime | Missing> {
    if (own === undefined) return (imported ??= importIt());
    const runtime = unwrapped(own);
    if (runtime === undefined) throw notOnnxRuntime(place.package, own);
    return runtime;
  }

  async function load(request: OnnxRuntimeRequest = {}): Promise<LoadedOnnxRuntime | Missing> {
    const found = await find(request.own);
    if ('missing' in found) {
      words = found.missing;
      return found;
    }
    const name = onnxRuntimeName(place.package, found);
    words = name;
    return { runtime: found, name, ...place.prepare(found, request) };
  }

  return { load, describe: () => words };
}
