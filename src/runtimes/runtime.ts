/**
 * The contract of a runtime: what Node and a browser do differently.
 *
 * Only the files of this folder may touch `node:*` or the DOM. Everything else is given a Runtime. A runtime answers
 * `undefined` for "not here" and throws only for "here, and broken".
 */
import type { JsonObject } from '../common/json.js';
import type { LoadedOnnxRuntime } from '../engines/onnx/onnx-runtime.js';
import type { ByteFile } from '../weights/byte-file.js';

/** A decoded picture: 8-bit RGB, row-major, `data.length === width * height * 3`. Orientation is already applied. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Caps that protect against decompression bombs. */
export interface ImageLimits {
  /** Largest encoded size in bytes. */
  readonly maxBytes: number;
  /** Largest width times height. */
  readonly maxPixels: number;
}

/** One entry of a folder. */
export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** A tfjs backend that was tried: taken, or passed over and why. */
export interface BackendTrial {
  readonly name: string;
  readonly chosen: boolean;
  readonly reason: string;
}

/** What computes, and why. */
export interface BackendChoice {
  /** tfjs's own name: `tensorflow`, `wasm`, `webgpu`, `webgl`, `cpu`. */
  readonly backend: string;
  /** What it computes on. */
  readonly hardware: 'processor' | 'graphics';
  readonly trials: readonly BackendTrial[];
}

/** Why something optional cannot be had here, and what it would give: one line. */
export interface Missing {
  readonly missing: string;
}

/** How ONNX Runtime is wanted. */
export interface OnnxRuntimeRequest {
  /** The package as the caller imported it, in place of the one that is installed. */
  readonly own?: object | undefined;
  /** Threads to compute with. Default: as many as the program may use cores. */
  readonly threads?: number | undefined;
}

/** How far the memory of a backend was filled while something ran, in bytes beyond what was in it before. */
export interface MemoryUse {
  /** The most at any time. */
  readonly peak: number;
  /** What was in it when something was put there for the last time. */
  readonly last: number;
}

/** The memory of a backend that cannot have as much as the machine has. */
export interface BackendMemory {
  /** Most bytes that it can have. */
  readonly limit: number;
  /** Runs something and watches the memory. Not to be nested. */
  watch(work: () => void): MemoryUse;
  /** A TransferKitError `out-of-memory` for an error that says so in the backend's own way; any other error as it is. */
  explain(error: unknown): unknown;
}

/** A place that keeps downloads between runs. Keys are chosen by the caller. */
export interface DownloadRequest {
  /** Address of the file. */
  readonly url: string;
  /** Where it goes in the cache: `hub/owner--repo/<commit>/model.safetensors`. */
  readonly key: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly sha256?: string;
  readonly size?: number;
  readonly cacheDir?: string;
  readonly offline?: boolean;
  /** The address may give other content later: ask the server whether what is cached still holds. Default false. */
  readonly revalidate?: boolean;
  /** Wait before the first retry, in milliseconds; each later one is twice as long. Default 500. */
  readonly retryDelayMs?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: { readonly file: string; readonly loaded: number; readonly total?: number }) => void;
}

/** Something that shows how far long work has come. */
export interface ProgressDisplay {
  update(fraction: number, text: string): void;
  stop(): void;
}

/** One end of the line between a thread and a worker. Messages arrive as structured clones, in their order. */
export interface MessageLine {
  /** @param transfer buffers that are handed over instead of copied; the sender can no longer read them */
  postMessage(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** Sets who is told of messages; to be called at once. */
  onMessage(listener: (message: unknown) => void): void;
}

/** A thread that runs a module of its own, as the one who spawned it holds it. It keeps the program alive until it is terminated. */
export interface SpawnedWorker extends MessageLine {
  /** Sets who is told, once, that the worker ended without being asked to: by an error that it did not catch, or of itself. */
  onError(listener: (error: Error) => void): void;
  /** Stops it in the middle of what it does. Idempotent; resolves when it has ended. */
  terminate(): Promise<void>;
}

/** A record by its key. */
export interface KeyedRecord {
  /** 32 bytes. */
  readonly key: Uint8Array;
  readonly bytes: Uint8Array;
}

/** What opens a collection of records. */
export interface RecordsRequest {
  /** Kind and name of the collection, as path parts: `['features', '<key>']`. */
  readonly place: readonly [kind: string, name: string];
  /** What the collection is, for people; kept with it. */
  readonly about: JsonObject;
  /** Folder of the cache. Default: the one that downloads are kept in. */
  readonly directory?: string | undefined;
  /** Largest size of all collections of this kind together. Those used least lately go first, one in use never. */
  readonly maxBytes: number;
  /** Told, once, when nothing more can be kept: a full disk, a cap that is reached. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Records that outlive the program. What was torn or spoilt is as if it had never been kept. */
export interface Records {
  /** @returns per key its bytes, beginning on a border of four, or undefined */
  read(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** Keeps records; those that cannot be kept are let go after a warning. Never throws for the place's sake. */
  append(records: readonly KeyedRecord[]): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Something in the cache, as a list shows it. */
export interface CacheEntry {
  readonly kind: 'features' | 'download';
  /** Names it within its kind: a key, or the folder of a download such as `hub/huggingface.co/google--mobilenet_v2_1.0_224`. */
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly lastUsed: number;
  /** Whether a program uses it now. */
  readonly inUse: boolean;
  /** What it is; of downloads, nothing. */
  readonly about: JsonObject;
  /** Records of it. */
  readonly records?: number;
}

/** The cache as a whole. */
export interface CacheFolder {
  readonly path: string;
  list(): Promise<CacheEntry[]>;
  /** @returns false where it is in use, or gone */
  remove(entry: CacheEntry): Promise<boolean>;
}

/** What came of the wish for a lock: it is held until `release`, or somebody else has it. */
export type LockAttempt =
  | { readonly taken: true; release(): Promise<void> }
  /** Who has it, in words: `process 4711 on this machine`. */
  | { readonly taken: false; readonly holder: string };

/** A place where JavaScript runs. */
export interface Runtime {
  readonly name: 'node' | 'web';
  /**
   * Activates the best tfjs backend, once; later calls give the same choice unless another is asked for.
   * @throws TransferKitError `unknown-name`, `missing-package` when a backend that was asked for cannot be had.
   */
  chooseBackend(wanted?: string): Promise<BackendChoice>;
  /** The choice made so far, in words; and ONNX Runtime, once it was looked for. */
  describe(): string;
  /**
   * ONNX Runtime, with settings that fit the machine; imported when it is first asked for. Absent where there is none.
   * @throws TransferKitError `bad-option` when `own` is not what it should be
   */
  loadOnnxRuntime?(request?: OnnxRuntimeRequest): Promise<LoadedOnnxRuntime | Missing>;
  /** The memory of the backend that was chosen; undefined where it can have what the machine has, and before the choice. */
  memory?(): BackendMemory | undefined;
  /** Opens a file by path or file URL; undefined when there is none. */
  openFile(path: string): Promise<ByteFile | undefined>;
  /** Entries of a folder sorted by name; undefined when there is none. */
  listFolder(path: string): Promise<readonly FolderEntry[] | undefined>;
  /** Joins path parts in the manner of the place. */
  joinPath(...parts: string[]): string;
  /**
   * Writes a whole folder or nothing: into a temporary one beside it, then renamed.
   * @throws TransferKitError `storage` when the disk is full or read-only.
   */
  writeFolder(path: string, files: ReadonlyMap<string, Uint8Array>): Promise<void>;
  /** Writes a whole file or nothing, and its folder. Absent where files cannot be replaced. @throws TransferKitError `storage` */
  writeFile?(path: string, bytes: Uint8Array): Promise<void>;
  /**
   * Adds bytes to the end of a file, which is made where there is none; what lies beyond `at` is cut off first. Absent where files
   * cannot grow.
   * @throws TransferKitError `storage`
   */
  appendFile?(path: string, bytes: Uint8Array, at?: number): Promise<void>;
  /** Removes a file, or a folder with all in it; nothing where there is none. @throws TransferKitError `storage` */
  remove?(path: string): Promise<void>;
  /** Opens records that outlive the program. Absent where nothing can be kept. Never throws for the place's sake. */
  openRecords?(request: RecordsRequest): Promise<Records>;
  /** The cache in a folder; without one the folder that downloads are kept in. Absent where it cannot be looked into. */
  cacheFolder?(path?: string): CacheFolder;
  /** Takes a lock that other processes respect; does not wait. A killed holder's is taken over. @throws TransferKitError `storage` */
  tryLock?(path: string): Promise<LockAttempt>;
  /**
   * Decodes an encoded picture: JPEG, PNG, WebP, GIF, AVIF, TIFF. Greyscale, alpha, CMYK and 16 bits become 8-bit RGB.
   * @throws TransferKitError `corrupt-file`, `too-large`, `missing-package`; `name` says which picture.
   */
  decodeImage(bytes: Uint8Array, name: string, limits: ImageLimits): Promise<RgbImage>;
  /** A picture as PNG. Absent where there is no encoder. @throws TransferKitError `missing-package`, `unsupported` */
  encodeImage?(image: RgbImage): Promise<Uint8Array>;
  /** Downloads a file into the cache, or finds it there: resumable, checked, atomic, safe with several processes at once. */
  download(request: DownloadRequest): Promise<ByteFile>;
  /** SHA-256 as lower-case hex. */
  sha256(bytes: Uint8Array): Promise<string>;
  /** An environment variable; undefined in a browser. */
  environment(name: string): string | undefined;
  /** A progress display where a person is watching (a terminal), else undefined. */
  progress(title: string): ProgressDisplay | undefined;
  /**
   * Runs a module in a thread of its own; absent where there are no threads.
   * @throws TransferKitError `not-found` when there is no such module.
   */
  spawnWorker?(module: URL): SpawnedWorker;
  /** In a worker, the line to the one who spawned it; undefined elsewhere. */
  spawner?(): MessageLine | undefined;
}
