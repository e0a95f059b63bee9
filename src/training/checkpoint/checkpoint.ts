import { TransferKitError } from '../../errors.js';
import { version } from '../../saving/version.js';
import type { FolderEntry, Runtime } from '../../runtimes/runtime.js';
import { readJsonObject } from '../../weights/read-json.js';
import { assertSameRun, type Fingerprint } from './fingerprint.js';
import { Damaged, readRecord, readState, writeState, type RunState } from './run-state.js';

export type { RunState } from './run-state.js';

/** The checkpoints of one run in its folder, locked against other processes until `close`. */
export interface Checkpoints {
  /**
   * The state to continue from: of a finished run its result, else the last checkpoint that is whole; undefined where nothing was
   * written yet.
   * @throws TransferKitError `bad-option` when the folder holds another run, with every difference; `corrupt-file` when there are
   *   checkpoints and none is whole
   */
  latest(fingerprint: Fingerprint): Promise<RunState | undefined>;
  /** Folders that `latest` found damaged and passed over, with the reason. */
  readonly damaged: readonly string[];
  /**
   * Writes a checkpoint, and only then removes those that are no longer kept.
   * @returns its folder
   * @throws TransferKitError `storage`
   */
  write(state: RunState, options?: { readonly best?: boolean }): Promise<string>;
  /** Writes the result of the run and marks it as finished. @throws TransferKitError `storage` */
  finish(state: RunState): Promise<string>;
  /** Lets other processes in. Idempotent. */
  close(): Promise<void>;
}

/** How checkpoints are kept. */
export interface KeepOptions {
  /** How many of the last ones stay beside the best. Default 2. */
  readonly keep?: number;
  /** `false` removes the checkpoints that are there. Default true. */
  readonly resume?: boolean;
}

const runFile = 'run.json';
const lockFile = 'transferkit.lock';
/** Says in `run.json` that the folder is one of ours, and how it is laid out. */
const runFormat = 'transferkit-run-1';
const finalFolder = 'final';
const stepName = /^step-(\d{8,})(?:-(\d+))?$/;
/** What a killed process may leave: a folder or file that was not yet whole. */
const leftover = /^\.(?:step-\d+(?:-\d+)?|final|run\.json)\.(?:new|old)-|^\.lock-/;
/** What systems put into folders by themselves. */
const clutter = new Set(['.DS_Store', 'Thumbs.db', 'desktop.ini', 'lost+found']);

const isOurs = ({ name }: FolderEntry): boolean =>
  [runFile, lockFile, `${lockFile}-takeover`, finalFolder].includes(name) ||
  stepName.test(name) ||
  leftover.test(name) ||
  clutter.has(name);

/** The parts of a runtime that checkpoints need. */
type StoringRuntime = Runtime & Required<Pick<Runtime, 'writeFile' | 'remove' | 'tryLock'>>;

function assertStoring(runtime: Runtime): asserts runtime is StoringRuntime {
  if (runtime.writeFile !== undefined && runtime.remove !== undefined && runtime.tryLock !== undefined) return;
  throw new TransferKitError(
    'unsupported',
    `checkpoints cannot be kept on the runtime "${runtime.name}": it cannot replace, remove and lock files.\n  Fix: train in Node, or leave out the option checkpoint.`,
  );
}

/** One checkpoint as its folder's name tells it: `step-00000123`, and `step-00000123-2` for a second one at the same step. */
interface Kept {
  readonly name: string;
  readonly step: number;
  readonly serial: number;
  readonly best: boolean;
}

const inOrder = (a: Kept, b: Kept): number => a.step - b.step || a.serial - b.serial;

class Folder implements Checkpoints {
  readonly damaged: string[] = [];
  /** Those that count, oldest first. */
  #kept: Kept[] = [];
  #fingerprint: Fingerprint | undefined;
  #release = (): Promise<void> => Promise.resolve();

  constructor(
    private readonly directory: string,
    private readonly runtime: StoringRuntime,
    private readonly keep: number,
  ) {}

  async latest(fingerprint: Fingerprint): Promise<RunState | undefined> {
    this.#fingerprint = fingerprint;
    const record = await this.#readRun();
    if (record !== undefined) assertSameRun(record.fingerprint, fingerprint, this.directory);
    const finished = record?.finished === true ? await this.#tryRead(finalFolder, fingerprint) : undefined;
    if (finished !== undefined) return { ...finished, finished: true };
    const state = await this.#lastWhole(fingerprint);
    if (record === undefined || record.finished === true) await this.#writeRun(false);
    return state;
  }

  async write(state: RunState, { best = false } = {}): Promise<string> {
    const serial = this.#kept.filter((kept) => kept.step === state.step).reduce((last, kept) => Math.max(last, kept.serial), 0) + 1;
    const name = `step-${String(state.step).padStart(8, '0')}${serial === 1 ? '' : `-${serial}`}`;
    const path = await this.#writeFolder(name, state, best);
    this.#kept = [...this.#kept, { name, step: state.step, serial, best }].sort(inOrder);
    await this.#removeOld();
    return path;
  }

  async finish(state: RunState): Promise<string> {
    const path = await this.#writeFolder(finalFolder, state, false);
    await this.#writeRun(true);
    return path;
  }

  async close(): Promise<void> {
    const release = this.#release;
    this.#release = () => Promise.resolve();
    await release();
  }

  /** @throws TransferKitError `bad-option` when another has the lock */
  async acquire(): Promise<void> {
    const lock = await this.runtime.tryLock(this.#path(lockFile));
    if (!lock.taken) throw inUse(this.directory, lock.holder);
    this.#release = () => lock.release();
  }

  /** Removes all that is ours: the caller wants to start over. */
  async clear(): Promise<void> {
    for (const entry of await this.#entries()) {
      const isKept = entry.name === lockFile || clutter.has(entry.name) || entry.name === runFile;
      if (isOurs(entry) && !isKept) await this.runtime.remove(this.#path(entry.name));
    }
    await this.runtime.remove(this.#path(runFile)); // last, so that a folder half cleared is still known as ours
  }

  /** Removes what a killed process left unfinished. */
  async removeLeftovers(): Promise<void> {
    for (const { name } of await this.#entries()) if (leftover.test(name)) await this.runtime.remove(this.#path(name));
  }

  /** @throws TransferKitError `bad-option` when the folder holds other things and was never used for checkpoints */
  async assertOurs(): Promise<void> {
    const entries = await this.#entries();
    if ((await this.#readRun()) !== undefined) return;
    const isUsed = entries.some(({ name }) => stepName.test(name)); // then run.json was ours, and is damaged
    const foreign = entries.filter((entry) => !isOurs(entry) || (entry.name === runFile && !isUsed)).map(({ name }) => name);
    if (foreign.length === 0) return;
    throw new TransferKitError(
      'bad-option',
      `"${this.directory}" holds other things than checkpoints: ${foreign.slice(0, 3).join(', ')}${foreign.length > 3 ? ' and more' : ''}.\n` +
        '  Fix: name a new or an empty folder; each run has one of its own.',
      { details: { directory: this.directory, found: foreign.slice(0, 20) } },
    );
  }

  #path(name: string): string {
    return this.runtime.joinPath(this.directory, name);
  }

  async #entries(): Promise<readonly FolderEntry[]> {
    return (await this.runtime.listFolder(this.directory)) ?? [];
  }

  /** What `run.json` says; undefined where there is none of ours. Each checkpoint has the fingerprint as well. */
  async #readRun(): Promise<{ readonly fingerprint: Fingerprint; readonly finished: unknown } | undefined> {
    const file = await this.runtime.openFile(this.#path(runFile));
    const record = file === undefined ? undefined : await readJsonObject(file).catch(() => undefined);
    if (record?.['format'] !== runFormat) return undefined;
    return { fingerprint: record['fingerprint'] as Fingerprint, finished: record['finished'] };
  }

  async #writeRun(finished: boolean): Promise<void> {
    const record = { format: runFormat, transferkit: version, finished, fingerprint: this.#fingerprint };
    await this.runtime.writeFile(this.#path(runFile), new TextEncoder().encode(`${JSON.stringify(record, null, 2)}\n`));
  }

  /** All that a step's folder may be called, oldest first; `best` is not yet known. */
  async #found(): Promise<Kept[]> {
    const found = (await this.#entries()).flatMap(({ name }) => {
      const [, step, serial = '1'] = stepName.exec(name) ?? [];
      return step === undefined ? [] : [{ name, step: Number(step), serial: Number(serial), best: false }];
    });
    return found.sort(inOrder);
  }

  /** The newest checkpoint that is whole; what is newer does not count any more and is removed with the next cleaning. */
  async #lastWhole(fingerprint: Fingerprint): Promise<RunState | undefined> {
    const candidates = await this.#found();
    for (let last = candidates.length - 1; last >= 0; last--) {
      const state = await this.#tryRead(candidates[last]!.name, fingerprint);
      if (state === undefined) continue;
      this.#kept = await Promise.all(candidates.slice(0, last + 1).map(async (kept) => ({ ...kept, best: await this.#isBest(kept.name) })));
      return state;
    }
    if (candidates.length === 0) return undefined;
    throw new TransferKitError(
      'corrupt-file',
      `none of the ${candidates.length} checkpoints in "${this.directory}" is whole.\n  ${this.damaged.join('\n  ')}\n` +
        '  Fix: restore one from a backup, or pass checkpoint: { directory, resume: false } to start over there.',
      { details: { directory: this.directory, damaged: this.damaged } },
    );
  }

  async #isBest(name: string): Promise<boolean> {
    return readRecord(this.runtime, this.#path(name)).then(
      (record) => record.best,
      () => false,
    );
  }

  /** A state that is whole and of this run, or undefined with a note. */
  async #tryRead(name: string, fingerprint: Fingerprint): Promise<RunState | undefined> {
    try {
      const state = await readState(this.runtime, this.#path(name));
      assertSameRun(state.fingerprint, fingerprint, this.directory);
      return state;
    } catch (error) {
      const isUnusable = error instanceof Damaged || error instanceof SyntaxError || isCorrupt(error);
      if (!isUnusable) throw error;
      this.damaged.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  async #writeFolder(name: string, state: RunState, best: boolean): Promise<string> {
    const path = this.#path(name);
    await this.runtime.writeFolder(path, await writeState(state, best, this.runtime));
    return path;
  }

  /** The last few and the best stay. */
  async #removeOld(): Promise<void> {
    const best = this.#kept.findLast((kept) => kept.best);
    this.#kept = this.#kept.filter((kept, index) => kept === best || index >= this.#kept.length - this.keep);
    const stay = new Set(this.#kept.map((kept) => kept.name));
    for (const { name } of await this.#found()) if (!stay.has(name)) await this.runtime.remove(this.#path(name));
  }
}

const isCorrupt = (error: unknown): boolean => TransferKitError.isInstance(error) && error.code === 'corrupt-file';

/**
 * Opens the folder of a run: `run.json` says what run it is, `step-...` are its checkpoints, each whole or absent. What else lies in
 * a folder is never touched.
 *
 * @throws TransferKitError `bad-option` when another process trains into it, or it holds other things; `unsupported` where files
 *   cannot be kept; `storage`
 */
export async function openCheckpoints(
  directory: string,
  runtime: Runtime,
  { keep = 2, resume = true }: KeepOptions = {},
): Promise<Checkpoints> {
  assertStoring(runtime);
  const folder = new Folder(directory, runtime, keep);
  await folder.assertOurs(); // before anything is written there
  await folder.acquire();
  try {
    await folder.removeLeftovers();
    if (!resume) await folder.clear();
    return folder;
  } catch (error) {
    await folder.close();
    throw error;
  }
}

const inUse = (directory: string, holder: string): TransferKitError =>
  new TransferKitError(
    'bad-option',
    `"${directory}" is in use by ${holder}: two trainings would overwrite each other's checkpoints.\n` +
      '  Fix: wait for the other one or end it, or name another folder.',
    { details: { directory, holder } },
  );
