/**
 * The contract of a runtime: what Node and a browser do differently.
 *
 * Only the files of this folder may touch `node:*` or the DOM. Everything else is given a Runtime. A runtime answers
 * `undefined` for "not here" and throws only for "here, and broken".
 */
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
  readonly trials: readonly BackendTrial[];
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

/** A place where JavaScript runs. */
export interface Runtime {
  readonly name: 'node' | 'web';
  /**
   * Activates the best tfjs backend, once; later calls give the same choice unless another is asked for.
   * @throws TransferKitError `unknown-name`, `missing-package` when a backend that was asked for cannot be had.
   */
  chooseBackend(wanted?: string): Promise<BackendChoice>;
  /** The choice made so far, in words. */
  describe(): string;
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
  /**
   * Decodes an encoded picture: JPEG, PNG, WebP, GIF, AVIF, TIFF. Greyscale, alpha, CMYK and 16 bits become 8-bit RGB.
   * @throws TransferKitError `corrupt-file`, `too-large`, `missing-package`; `name` says which picture.
   */
  decodeImage(bytes: Uint8Array, name: string, limits: ImageLimits): Promise<RgbImage>;
  /** Downloads a file into the cache, or finds it there: resumable, checked, atomic, safe with several processes at once. */
  download(request: DownloadRequest): Promise<ByteFile>;
  /** SHA-256 as lower-case hex. */
  sha256(bytes: Uint8Array): Promise<string>;
  /** An environment variable; undefined in a browser. */
  environment(name: string): string | undefined;
  /** A progress display where a person is watching (a terminal), else undefined. */
  progress(title: string): ProgressDisplay | undefined;
}
