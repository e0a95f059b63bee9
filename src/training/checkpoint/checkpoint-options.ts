import { TransferKitError } from '../../errors.js';
import { unknownName } from '../../common/nearest-name.js';

/** Where and how often a run is written down. */
export interface CheckpointSettings {
  /** A folder of its own for this run; made where there is none. */
  readonly directory: string;
  /** Write after this many steps. Default: by time alone. */
  readonly everySteps?: number;
  /** Write after this many seconds, at the next step. Default 60, or never where `everySteps` is given. */
  readonly everySeconds?: number;
  /** How many of the last checkpoints stay beside the best. Default 2. */
  readonly keep?: number;
  /**
   * Continue a run of the same data and options that was cut off, or give back the result of one that is finished. `false` removes
   * the checkpoints in the folder and starts over. Default true.
   */
  readonly resume?: boolean;
}

/** A folder, or a folder with settings. */
export type CheckpointOptions = string | CheckpointSettings;

/** Settings with every number in its place. */
export type FullCheckpointSettings = Required<CheckpointSettings>;

const invalid = (name: string, expected: string, received: unknown): TransferKitError =>
  new TransferKitError('bad-option', `checkpoint.${name} must be ${expected}.\n  Received: ${String(received)}`, {
    details: { option: `checkpoint.${name}` },
  });

const known: readonly (keyof CheckpointSettings)[] = ['directory', 'everySteps', 'everySeconds', 'keep', 'resume'];

function checkMembers(settings: CheckpointSettings): void {
  for (const name of Object.keys(settings))
    if (!(known as readonly string[]).includes(name)) throw unknownName('option of checkpoint', name, known);
  const { directory, everySteps, everySeconds, keep, resume } = settings;
  if (typeof directory !== 'string' || directory === '') throw invalid('directory', "a folder's path", directory);
  if (everySteps !== undefined && !(Number.isInteger(everySteps) && everySteps >= 1))
    throw invalid('everySteps', 'a whole number from 1 on', everySteps);
  if (everySeconds !== undefined && !(everySeconds >= 0)) throw invalid('everySeconds', '0 or more seconds', everySeconds);
  if (keep !== undefined && !(Number.isInteger(keep) && keep >= 1)) throw invalid('keep', 'a whole number from 1 on', keep);
  if (resume !== undefined && typeof resume !== 'boolean') throw invalid('resume', 'true or false', resume);
}

/**
 * The option `checkpoint` with its defaults.
 * @throws TransferKitError `bad-option`, `unknown-name`
 */
export function checkCheckpointOptions(options: CheckpointOptions): FullCheckpointSettings {
  const settings = typeof options === 'string' ? { directory: options } : options;
  if (typeof settings !== 'object' || settings === null)
    throw new TransferKitError(
      'bad-option',
      `checkpoint must be a folder's path or { directory, ... }.\n  Received: ${JSON.stringify(options) ?? 'nothing'}`,
    );
  checkMembers(settings);
  const everySteps = settings.everySteps ?? Number.POSITIVE_INFINITY;
  const everySeconds = settings.everySeconds ?? (settings.everySteps === undefined ? 60 : Number.POSITIVE_INFINITY);
  return { keep: 2, resume: true, ...settings, everySteps, everySeconds };
}

/** Says when the next checkpoint is due. The moment never changes the numbers of the run. */
export class CheckpointClock {
  #step = 0;
  #time: number;

  /** @param now milliseconds that never go back */
  constructor(
    private readonly settings: Pick<FullCheckpointSettings, 'everySteps' | 'everySeconds'>,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#time = now();
  }

  /** @param step steps done in the whole run */
  due(step: number): boolean {
    const { everySteps, everySeconds } = this.settings;
    return step - this.#step >= everySteps || this.now() - this.#time >= everySeconds * 1000;
  }

  /** A checkpoint was written, or the run was taken up at this step. */
  reset(step: number): void {
    this.#step = step;
    this.#time = this.now();
  }
}
