import * as tf from '@tensorflow/tfjs-core';
import type { JsonObject } from '../common/json.js';
import type { Engine } from '../engines/engine.js';
import type { TensorValue } from '../weights/tensor-value.js';
import { CheckpointClock, checkCheckpointOptions, type CheckpointOptions } from './checkpoint/checkpoint-options.js';
import { openCheckpoints, type Checkpoints, type RunState } from './checkpoint/checkpoint.js';
import { makeFingerprint, type Fingerprint, type RunFacts } from './checkpoint/fingerprint.js';
import type { UntimedEvent } from './events.js';
import type { TrainingHistory } from './history.js';
import type { TrainingLog } from './log.js';
import { makeTensors, packPhase, readTensors, unpackPhase, type PhaseState } from './phase-state.js';
import type { TrainingPlan } from './plan.js';
import type { NamedResult } from './run-plan.js';
import { changingWeights, type AnyModel, type LearningParts, type NamedVariable } from './weight-set.js';

/** Where a run that was cut off goes on. */
export interface SavedRun {
  /** Phases that are over. */
  readonly results: readonly NamedResult[];
  /** Where the next phase stands; absent at its start. */
  readonly phase?: PhaseState | undefined;
  /** Of a run that is finished. */
  readonly history?: TrainingHistory;
  /** Steps done in the whole run. */
  readonly step: number;
  /** Folder of the checkpoints. */
  readonly path: string;
  /** Length of the log at that moment, in bytes. */
  readonly logged: number;
}

/** Where a run stands; the phase is asked for only when it is written down. */
export interface RunPosition {
  readonly results: readonly NamedResult[];
  readonly phase?: () => PhaseState;
}

/** What is special about a moment. */
export interface CheckpointMoment {
  /** An epoch just became the best. */
  readonly best?: boolean;
  /** The run ends here for now: write it down whether or not it is time. */
  readonly now?: boolean;
}

/** What the numbers of a checkpoint are. */
interface SavedJson {
  readonly results: readonly NamedResult[];
  readonly phase?: JsonObject;
  readonly history?: TrainingHistory;
  readonly logged: number;
  /** What computed the steps. */
  readonly engine: Engine['name'];
}

/** Everything that any phase of a plan can change. */
const changingParts = ({ phases }: TrainingPlan): LearningParts => ({
  learns: phases[0]!.learns.map((_, group) => phases.some(({ learns }) => learns[group])),
  adapter: phases.some(({ adapter }) => adapter),
});

const otherEngine = (before: Engine['name'], now: Engine['name']): string =>
  `the run was computed by the engine "${before}" so far and goes on with "${now}": the numbers agree to rounding, not to the bit.`;

/** Writes a run down from time to time, and finds what an earlier process wrote. */
export class RunCheckpoints {
  readonly #clock: CheckpointClock;
  readonly #weights: readonly NamedVariable[];
  #step = 0;
  #log: TrainingLog | undefined;
  readonly #engine: Engine['name'];

  private constructor(
    private readonly store: Checkpoints,
    private readonly fingerprint: Fingerprint,
    clock: CheckpointClock,
    model: AnyModel,
    plan: TrainingPlan,
    private readonly emit: (event: UntimedEvent) => void,
    private readonly directory: string,
  ) {
    this.#engine = model.base.engine.name;
    this.#clock = clock;
    this.#weights = changingWeights(model, changingParts(plan));
  }

  /**
   * @throws TransferKitError `bad-option` for a folder that another process uses, or that holds something else; what reading an
   *   example throws
   */
  static async open(options: CheckpointOptions, facts: RunFacts, emit: (event: UntimedEvent) => void): Promise<RunCheckpoints> {
    const settings = checkCheckpointOptions(options);
    const store = await openCheckpoints(settings.directory, facts.model.base.parts.runtime, settings);
    try {
      const fingerprint = await makeFingerprint(facts);
      return new RunCheckpoints(store, fingerprint, new CheckpointClock(settings), facts.model, facts.plan, emit, settings.directory);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** The log is cut to where it was when a run is taken up again. */
  keepLog(log: TrainingLog): void {
    this.#log = log;
  }

  /**
   * What to go on from; the weights of the model are then those of that moment.
   * @throws TransferKitError `bad-option` when the folder holds another run, `corrupt-file`
   */
  async latest(): Promise<SavedRun | undefined> {
    const state = await this.store.latest(this.fingerprint);
    for (const reason of this.store.damaged) this.emit({ type: 'warning', message: `a damaged checkpoint was passed over: ${reason}` });
    if (state === undefined) return undefined;
    this.#step = state.step;
    this.#clock.reset(state.step);
    this.#putBack(state.tensors);
    const { results, phase, history, logged, engine } = state.json as unknown as SavedJson;
    if (history === undefined && engine !== this.#engine) this.emit({ type: 'warning', message: otherEngine(engine, this.#engine) });
    return {
      results,
      step: state.step,
      path: this.directory,
      logged,
      phase: phase === undefined ? undefined : unpackPhase({ json: phase, tensors: state.tensors }),
      ...(history === undefined ? {} : { history }),
    };
  }

  #putBack(tensors: ReadonlyMap<string, TensorValue>): void {
    const values = makeTensors('weights', tensors);
    for (const { name, variable } of this.#weights) variable.assign(values.get(name)!);
    tf.dispose([...values.values()]);
  }

  /** Counts a batch or the end of a phase, and writes the run down when it is time, or at once. */
  async step(position: RunPosition, { best = false, now = false }: CheckpointMoment = {}): Promise<void> {
    if (!now) this.#step++;
    if (!now && !this.#clock.due(this.#step)) return;
    const packed = position.phase === undefined ? undefined : await packPhase(position.phase());
    const json = { results: position.results, ...(packed === undefined ? {} : { phase: packed.json }) } as unknown as JsonObject;
    const path = await this.store.write(await this.#state(json, packed?.tensors ?? new Map()), { best });
    this.#clock.reset(this.#step);
    this.emit({ type: 'checkpoint', path, step: this.#step });
  }

  async #state(numbers: JsonObject, more: ReadonlyMap<string, TensorValue>): Promise<RunState> {
    await this.#log?.flush();
    const json = { ...numbers, logged: this.#log?.position ?? 0, engine: this.#engine };
    const weights = new Map(this.#weights.map(({ name, variable }) => [name, variable as tf.Tensor]));
    return { fingerprint: this.fingerprint, step: this.#step, json, tensors: new Map([...(await readTensors({ weights })), ...more]) };
  }

  /** Writes the result down: the same call gives it back without training. */
  async finish(results: readonly NamedResult[], history: TrainingHistory): Promise<void> {
    const path = await this.store.finish(await this.#state({ results, history } as unknown as JsonObject, new Map()));
    this.emit({ type: 'checkpoint', path, step: this.#step });
  }

  close(): Promise<void> {
    return this.store.close();
  }
}
