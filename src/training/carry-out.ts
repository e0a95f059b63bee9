import type { Dataset } from '../data/dataset.js';
import { combine } from './control.js';
import type { UntimedEvent } from './events.js';
import type { TrainingHistory } from './history.js';
import { openListeners } from './listeners.js';
import type { OpenLogOptions } from './log.js';
import type { FineTuneOptions } from './options.js';
import type { TrainingPlan } from './plan.js';
import type { RunCheckpoints, SavedRun } from './run-checkpoints.js';
import { runPlan } from './run-plan.js';
import type { AnyModel } from './weight-set.js';

/** A plan and all that it takes to carry it out. */
export interface PlannedRun {
  readonly model: AnyModel;
  readonly plan: TrainingPlan;
  readonly training: Dataset;
  readonly validation: Dataset | undefined;
  readonly options: FineTuneOptions;
}

/** Carries a plan out, tells everyone who listens, and lets go of everything at the end. What few runs need is loaded when it is. */
export async function carryOut({ model, plan, training, validation, options }: PlannedRun): Promise<TrainingHistory> {
  const { runtime } = model.base.parts;
  const { emit: tell, writeTo, close } = openListeners(options, runtime);
  const emit = withEngineNotes(model, tell);
  const { control, release } = combine(options.signal, options.control);
  let checkpoints: RunCheckpoints | undefined;
  try {
    options.onPlan?.(plan);
    if (options.checkpoint !== undefined) {
      const { RunCheckpoints } = await import('./run-checkpoints.js');
      checkpoints = await RunCheckpoints.open(options.checkpoint, { model, training, validation, plan }, emit);
    }
    const saved = await checkpoints?.latest();
    if (options.log !== undefined) {
      const { checkLogOptions, openLog } = await import('./log.js');
      const log = await openLog(checkLogOptions(options.log), runtime, logSettings(model, saved, emit));
      writeTo(log);
      checkpoints?.keepLog(log);
    }
    emit({ type: 'plan', plan });
    if (saved !== undefined) emit({ type: 'continued', step: saved.step, path: saved.path });
    const stores = { cache: options.cache ?? {}, workers: options.workers ?? 0 };
    const history = saved?.history ?? (await runPlan({ model, plan, training, validation, control, emit, stores, checkpoints, saved }));
    emit({ type: 'end', history });
    return history;
  } finally {
    release();
    await checkpoints?.close();
    await close();
  }
}

/** Tells of what the engine had to leave to tfjs, in front of the next event. */
function withEngineNotes({ base }: AnyModel, emit: (event: UntimedEvent) => void): (event: UntimedEvent) => void {
  const { notes } = base.parts.engine;
  let told = notes.length;
  return (event) => {
    while (told < notes.length) emit({ type: 'warning', message: notes[told++]! });
    emit(event);
  };
}

function logSettings(model: AnyModel, saved: SavedRun | undefined, emit: (event: UntimedEvent) => void): OpenLogOptions {
  return {
    figures: ['loss', ...Object.keys(model.head.metrics)],
    ...(saved === undefined ? {} : { from: saved.logged }),
    onError: (error) => emit({ type: 'warning', message: `the log is not written any more: ${String(error)}` }),
  };
}
