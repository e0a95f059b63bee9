import { runtime as defaultRuntime } from '#runtime';
import { attachFiles } from './attach-files.js';
import type { AnyBackbone } from './backbones/backbone.js';
import { Base } from './base.js';
import { chooseEngine, type EngineOptions } from './engines/choose-engine.js';
import { TransferKitError } from './errors.js';
import type { InputRecipe, Modality } from './inputs/input.js';
import type { JsonObject } from './common/json.js';
import type { Runtime } from './runtimes/runtime.js';
import type { Checkpoint } from './sources/source.js';

/** What an untrained network is built from. */
export interface UntrainedOptions extends EngineOptions {
  /** The family's own settings: `mobilenetV2Config({ width: 0.35, imageSize: 96 })`. */
  readonly config: JsonObject;
  /** How raw inputs are prepared. Default: the family's habit. */
  readonly input?: InputRecipe;
  /** Companion files that the input recipe needs, as text or bytes: `{ 'vocab.txt': '[PAD]\n[UNK]\n...' }`. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly runtime?: Runtime;
  /** tfjs backend. Default: the best that works here. */
  readonly backend?: string;
}

/** A checkpoint without weights: all that a family needs to say how inputs are prepared. */
function nothingPublished(origin: string, file: Checkpoint['file']): Checkpoint {
  const tensor = (name: string): Promise<never> => Promise.reject(new TransferKitError('not-found', `${origin} has no tensor "${name}"`));
  return { origin, revision: 'none', config: {}, tensors: new Map(), tensor, file, close: () => Promise.resolve() };
}

/**
 * The network of a family with random weights, to be pretrained by yourself: where no published weights fit, or to see what
 * pretrained ones are worth. The weights are seeded: the same config gives the same numbers.
 *
 * Train it with `unfreeze: 'all'`, `normalization: 'batch'` and `headEpochs: 0`, then start from it with `loadPretrained`.
 *
 * @throws TransferKitError `bad-config`; `not-found` when a tokenizer is needed and `files` has none
 * @example
 * ```ts
 * import { untrainedBase } from 'transferkit';
 * import { mobilenetV2, mobilenetV2Config } from 'transferkit/backbones/mobilenet-v2';
 *
 * const base = await untrainedBase(mobilenetV2, { config: mobilenetV2Config({ width: 0.35, imageSize: 96 }) });
 * console.log(base.describe());
 * ```
 */
export async function untrainedBase<M extends Modality>(family: AnyBackbone<M>, options: UntrainedOptions): Promise<Base<M>> {
  const { config, files = {}, runtime = defaultRuntime } = options;
  const backend = await runtime.chooseBackend(options.backend);
  const engine = await chooseEngine(runtime, backend, options);
  const origin = `untrained ${family.name}`;
  const file = (path: string): Promise<Uint8Array | undefined> => {
    const found = Object.hasOwn(files, path) ? files[path] : undefined;
    return Promise.resolve(typeof found === 'string' ? new TextEncoder().encode(found) : found);
  };
  const recipe = options.input ?? (await family.input(config, nothingPublished(origin, file)));
  const processor = await family.processor(recipe, { runtime, file });
  const built = family.build(config);
  const onnxRuntime = { own: options.onnxRuntime, threads: options.threads };
  return new Base({
    family,
    built,
    ...(await attachFiles(family, built, config, { runtime, onnxRuntime, file })),
    processor,
    provenance: { origin, revision: 'none' },
    runtime,
    backend,
    engine,
    onnxRuntime,
  });
}
