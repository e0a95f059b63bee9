/**
 * The contract of a source: a place that checkpoints come from.
 *
 * A source knows places and file formats. It does not know what the tensors mean; a backbone family does not know where they
 * came from. Tensors are read one at a time, so a large checkpoint is never in memory twice.
 */
import type { JsonObject } from '../common/json.js';
import type { Runtime } from '../runtimes/runtime.js';
import type { TensorInfo, TensorValue } from '../weights/tensor-value.js';

/** Bounds of what is read into memory at once. */
export interface FileLimits {
  /** Larger files are refused. Default 256 MB. */
  readonly maxBytes?: number;
}

/** A pretrained model as published: its configuration, its tensors, and the files that came with it. */
export interface Checkpoint {
  /** Where it came from, for messages and for the model card: `hf://google/mobilenet_v2_1.0_224`. */
  readonly origin: string;
  /** Identity of the content: a commit or a hash. Two checkpoints with one revision hold the same numbers. */
  readonly revision: string;
  /** The architecture description that came with it, as parsed JSON; empty where the place carries none. */
  readonly config: JsonObject;
  /** Every tensor by its published name. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Licence identifier as published, if any: `apache-2.0`. */
  readonly license?: string;
  /**
   * Reads one tensor.
   * @throws TransferKitError `not-found` for an unknown name, `corrupt-file`, `network`.
   */
  tensor(name: string): Promise<TensorValue>;
  /** Paths of the files that are there, those in folders included as far as the place lists them; absent where it lists none. */
  readonly names?: readonly string[];
  /** A companion file (tokenizer, processor, licence), or undefined where there is none. @throws TransferKitError `too-large` */
  file(path: string, limits?: FileLimits): Promise<Uint8Array | undefined>;
  /** Releases file handles. Idempotent. */
  close(): Promise<void>;
}

/** What a source is given to open a checkpoint with. */
export interface SourceContext {
  readonly runtime: Runtime;
  readonly signal?: AbortSignal;
  /** Called as bytes arrive. */
  readonly onProgress?: (event: DownloadProgress) => void;
  /** Never touch the network; use what is cached. */
  readonly offline?: boolean;
  /** Folder of the download cache. */
  readonly cacheDir?: string;
  /** Hub access token; sent to the Hub's own host only. */
  readonly token?: string;
  /** Address of the Hub or of a mirror that speaks its routes. */
  readonly endpoint?: string;
}

/** Bytes received so far of one file. */
export interface DownloadProgress {
  readonly file: string;
  readonly loaded: number;
  /** Undefined when the server does not say. */
  readonly total?: number;
}

/** One place of one checkpoint, ready to be opened. */
export interface Source {
  readonly apiVersion: 1;
  readonly name: string;
  /** @throws TransferKitError `not-found`, `unauthorized`, `network`, `offline`, `corrupt-file`, `bad-config` */
  open(context: SourceContext): Promise<Checkpoint>;
}

/** Makes a source plug-in from its parts. */
export const defineSource = (source: Source): Source => Object.freeze({ ...source });
