import { TransferKitError } from '../errors.js';
import { unknownName } from '../common/nearest-name.js';
import type { Runtime } from '../runtimes/runtime.js';
import { formats, type LogFormat } from './log-formats.js';
import type { TrainingEvent } from './events.js';

/** Where and what a training writes down while it runs. */
export interface LogSettings {
  /** A file; made with its folder where there is none. */
  readonly path: string;
  /** `jsonl`: one JSON object a line; `csv`: a table. Default: as the file's name ends. */
  readonly format?: LogFormat;
  /** Lines for every step, or for epochs alone. Default: steps in JSON lines, epochs in a table. */
  readonly every?: 'step' | 'epoch';
}

/** A file, or a file with settings. */
export type LogOptions = string | LogSettings;

const invalid = (message: string): TransferKitError => new TransferKitError('bad-option', message, { details: { option: 'log' } });

function checkMembers(settings: LogSettings): void {
  if (typeof settings !== 'object' || settings === null || typeof settings.path !== 'string' || settings.path === '')
    throw invalid(`log must be a file's path or { path, ... }.\n  Received: ${JSON.stringify(settings)}`);
  const known = ['path', 'format', 'every'];
  for (const name of Object.keys(settings)) if (!known.includes(name)) throw unknownName('option of log', name, known);
  const { every } = settings;
  if (every !== undefined && every !== 'step' && every !== 'epoch')
    throw invalid(`log.every must be 'step' or 'epoch'.\n  Received: ${String(every)}`);
}

/** The form that a file's name asks for. */
const endingOf = (path: string): string => (/\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? '').replace('ndjson', 'jsonl');

/**
 * The option `log` with its defaults.
 * @throws TransferKitError `bad-option`, `unknown-name`
 */
export function checkLogOptions(options: LogOptions): Required<LogSettings> {
  const settings: LogSettings = typeof options === 'string' ? { path: options } : options;
  checkMembers(settings);
  const format = (settings.format ?? endingOf(settings.path)) as LogFormat;
  if (!Object.hasOwn(formats, format))
    throw invalid(`log cannot be written as "${format}".\n  Expected: a path that ends in .jsonl or .csv, or format: 'jsonl' or 'csv'`);
  return { path: settings.path, format, every: settings.every ?? formats[format].every };
}

/** What a log is opened with. */
export interface OpenLogOptions {
  /** Names of the figures of an epoch: `loss` and the metrics of the head. They are columns of a table. */
  readonly figures: readonly string[];
  /** `position` at the checkpoint from which the run continues: what was written later will be written again. Else a new log. */
  readonly from?: number;
  /** Told once when the disk refuses; the training goes on without the log. */
  readonly onError?: (error: unknown) => void;
}

/** What a run that continues tells again, and its log says already. */
const isRepeated = (event: TrainingEvent): boolean => event.type === 'plan' || (event.type === 'phase' && event.done > 0);

/** A log that grows. Lines are written in order, each whole, while the training goes on. */
export class TrainingLog {
  #lines: string[] = [];
  #pump: Promise<void> | undefined;
  #broken: { readonly error: unknown } | undefined;
  #bytes: number;

  /** Use `openLog`. @internal */
  constructor(
    private readonly settings: Required<LogSettings>,
    private readonly append: (bytes: Uint8Array) => Promise<void>,
    start: number,
    private readonly options: OpenLogOptions,
  ) {
    this.#bytes = start;
  }

  /** Length in bytes with all that `write` was given: to be kept in a checkpoint, after `flush`. */
  get position(): number {
    return this.#bytes;
  }

  /** Adds what the event has to say, if anything. Returns at once. */
  write(event: TrainingEvent): void {
    if (event.type === 'step' && this.settings.every === 'epoch') return;
    if (this.options.from !== undefined && isRepeated(event)) return;
    const line = formats[this.settings.format].line(event, this.options.figures, new Date());
    if (line !== undefined) this.add(line);
  }

  /** Waits for what is still to be written. Never throws: `flush` tells of faults. */
  async close(): Promise<void> {
    await this.#pump;
  }

  /** @internal */
  add(line: string): void {
    if (this.#broken !== undefined) return;
    this.#lines.push(line);
    this.#bytes += new TextEncoder().encode(line).length;
    this.#pump ??= this.#drain();
  }

  /** Resolves when everything is in the file. @throws TransferKitError `storage`, unless `onError` was told */
  async flush(): Promise<void> {
    await this.#pump;
    if (this.#broken !== undefined && this.options.onError === undefined) throw this.#broken.error;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#lines.length > 0) await this.append(new TextEncoder().encode(this.#lines.splice(0).join('')));
    } catch (error) {
      this.#broken = { error };
      this.#lines = [];
      this.options.onError?.(error);
    }
    this.#pump = undefined;
  }
}

/** Bytes at the start of a file that tell whether it is a log. */
const sampleBytes = 1024;

/** Where the new lines begin: 0 for a new log; else behind what the checkpoint knows of, as far as it is there. */
async function startOf({ path, format }: Required<LogSettings>, runtime: Runtime, { from }: OpenLogOptions): Promise<number> {
  const file = await runtime.openFile(path);
  if (file === undefined || file.size === 0) return 0;
  const start = new TextDecoder().decode(await file.read(0, Math.min(file.size, sampleBytes)));
  if (!formats[format].isOwn(start)) {
    throw invalid(
      `"${path}" is there already, and it is no log of a training in this form.\n  Fix: name another file, or move that one away.`,
    );
  }
  if (from === undefined || from <= file.size) return from ?? 0;
  const all = await file.read(0, file.size); // shorter than at the checkpoint: a power cut; whole lines stay
  return all.lastIndexOf(0x0a) + 1;
}

/**
 * Opens a log. A new run replaces the log of an earlier one; a run that continues keeps what was written up to its checkpoint, so
 * that each step stands there once. A file that is no log is not touched.
 *
 * @throws TransferKitError `bad-option` for a file that holds other things, `unsupported` where files cannot grow, `storage`
 */
export async function openLog(settings: Required<LogSettings>, runtime: Runtime, options: OpenLogOptions): Promise<TrainingLog> {
  const { path } = settings;
  if (runtime.appendFile === undefined) {
    throw new TransferKitError(
      'unsupported',
      `a log cannot be written on the runtime "${runtime.name}": its files cannot grow.\n  Fix: listen with onEvent, or train in Node.`,
    );
  }
  const start = await startOf(settings, runtime, options);
  await runtime.appendFile(path, new Uint8Array(0), start);
  const log = new TrainingLog(settings, (bytes) => runtime.appendFile!(path, bytes), start, options);
  if (start === 0) log.add(formats[settings.format].header(options.figures));
  return log;
}
