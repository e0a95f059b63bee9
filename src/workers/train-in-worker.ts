import type { FreezeState } from '../base.js';
import type { Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import { learningGroups, type Unfreeze } from '../layers/learning-groups.js';
import type { TrainingRecord } from '../model.js';
import { combine, type ControlState, type TrainingControl } from '../training/control.js';
import type { TrainingEvent } from '../training/events.js';
import type { TrainingHistory } from '../training/history.js';
import type { FineTuneOptions } from '../training/options.js';
import type { TrainingPlan } from '../training/plan.js';
import { progressOf } from '../training/progress.js';
import type { AnyModel } from '../training/weight-set.js';
import { toPlainDataset, type PlainDataset } from './plain-dataset.js';
import { fromPlainEvent, fromPlainPlan, type PlainEvent, type PlainPlan } from './plain-event.js';
import { toPlainError, type PlainError } from './plain-error.js';
import { shareModel, type SharedModel } from './shared-model.js';
import { toCloneable } from './to-cloneable.js';
import { applyChanges, type WeightChanges } from './weight-changes.js';
import { WorkerCalls } from './worker-calls.js';
import { spawnerOf } from './worker-extractor.js';

/** What a worker is asked to train. */
export interface TrainRequest {
  readonly model: SharedModel;
  /** Whether the caller decided what learns; else the training chooses, as it would here. */
  readonly freezeIsChosen: boolean;
  readonly data: PlainDataset;
  readonly validation: PlainDataset | number | undefined;
  /** Options that are plain data. */
  readonly options: FineTuneOptions;
  /** Names of the groups that a function of the caller's chose. */
  readonly unfreeze: readonly string[] | undefined;
}

/** What the caller wants of a training that is under way. */
export interface SteerRequest {
  readonly state: ControlState;
  /** Why it was aborted. */
  readonly reason?: PlainError;
}

/** What it gives back. */
export interface TrainResult {
  readonly changes: WeightChanges;
  readonly freeze: FreezeState;
  readonly history: TrainingHistory;
  readonly plan: PlainPlan;
  readonly record: TrainingRecord;
}

/** Options that mean something in the caller's thread alone. */
const ownOptions: readonly (keyof FineTuneOptions)[] = [
  'signal',
  'control',
  'onPlan',
  'onProgress',
  'onEvent',
  'progress',
  'worker',
  'validation',
  'unfreeze',
];

/** A function that chooses groups is asked here, where it can be called; gives their names. */
function chosenGroups(model: AnyModel, choose: Unfreeze): string[] {
  const { groups } = model.base.parts.built;
  const learns = learningGroups(choose, groups);
  return groups.filter((_, index) => learns[index]).map(({ name }) => name);
}

async function requestOf(model: AnyModel, data: Dataset, options: FineTuneOptions): Promise<TrainRequest> {
  const { validation, unfreeze } = options;
  const isFunction = typeof unfreeze === 'function';
  const plain = {
    ...Object.fromEntries(Object.entries(options).filter(([name]) => !(ownOptions as readonly string[]).includes(name))),
    ...(unfreeze === undefined || isFunction ? {} : { unfreeze }),
  };
  return {
    options: toCloneable(plain, 'the options of fineTune') as FineTuneOptions,
    unfreeze: isFunction ? chosenGroups(model, unfreeze) : undefined,
    data: toPlainDataset(data),
    validation: typeof validation === 'object' ? toPlainDataset(validation) : validation,
    freezeIsChosen: model.base.freezeIsChosen || model.base.models > 1,
    model: await shareModel(model, 1),
  };
}

/** Tells the caller's listeners, in his thread. */
function tellListeners({ onPlan, onProgress, onEvent }: FineTuneOptions, event: TrainingEvent): void {
  if (event.type === 'plan') onPlan?.(event.plan);
  onEvent?.(event);
  const progress = progressOf(event);
  if (progress !== undefined) onProgress?.(progress);
}

/** Tells the worker when the caller pauses, resumes or aborts; gives what ends that. */
function steer(worker: WorkerCalls, control: TrainingControl): () => void {
  // A worker that has ended needs no telling.
  const tell = (): void => {
    const { state, signal } = control;
    const request: SteerRequest = { state, ...(state === 'aborted' ? { reason: toPlainError(signal.reason) } : {}) };
    worker.call('steer', request).catch(() => undefined);
  };
  if (control.state !== 'running') tell();
  return control.watch(tell);
}

/** One training at a time on a base. The weights here are written at the end only, so the model can go on predicting. */
function lock({ base }: AnyModel): void {
  if (base.busy)
    throw new TransferKitError(
      'bad-option',
      'this model is being trained already, or another on the same base; wait for that run or abort it',
    );
  base.busy = true;
}

/**
 * `fineTune` in a worker thread: this thread stays free for other work, and the model goes on predicting as it did before. The
 * numbers are those of a training in this thread. What was learnt is written into the model at once, at the end; a run that fails
 * or is aborted before its first step leaves the model as it was.
 *
 * @param baseReason words on which base was taken, where none was named; they become the plan's first decision
 * @throws TransferKitError `unsupported` where there are no threads, or for a backbone or head of your own; `bad-option` for an
 *   option, input or target that cannot be sent; `worker-ended`; what `fineTune` throws, and what a listener throws
 */
export async function trainInWorker(
  model: AnyModel,
  data: Dataset,
  options: FineTuneOptions,
  baseReason?: string,
): Promise<{ history: TrainingHistory; plan: TrainingPlan }> {
  model.assertUsable();
  const spawn = spawnerOf(model);
  lock(model);
  try {
    const request = await requestOf(model, data, options);
    const emit = (event: PlainEvent): void => tellListeners(options, fromPlainEvent(event, baseReason));
    const { changes, freeze, history, plan: plain, record } = await runInWorker(spawn, request, options, emit);
    const plan = fromPlainPlan(plain, baseReason);
    model.base.busy = false; // an adapter can only be put on a model that is at rest
    applyChanges(model, changes);
    model.base.freeze = freeze;
    model.record = { ...model.record, training: { ...record, plan: { ...record.plan, decisions: plan.decisions } } };
    return { history, plan };
  } finally {
    model.base.busy = false;
  }
}

async function runInWorker(
  spawn: ConstructorParameters<typeof WorkerCalls>[0],
  request: TrainRequest,
  options: FineTuneOptions,
  emit: (event: PlainEvent) => void,
): Promise<TrainResult> {
  let fail: (error: unknown) => void = () => undefined;
  const listenerFailed = new Promise<never>((_resolve, reject) => (fail = reject));
  const worker = new WorkerCalls(spawn, (news) => {
    try {
      emit(news as PlainEvent);
    } catch (error) {
      fail(error);
    }
  });
  const { control, release } = combine(options.signal, options.control);
  const letGo = steer(worker, control);
  try {
    return await Promise.race([worker.call<TrainResult>('train', request), listenerFailed]);
  } finally {
    letGo();
    release();
    await worker.close();
  }
}
