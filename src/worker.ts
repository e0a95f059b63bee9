/**
 * The program that worker threads run; see `src/workers/`. Like a command line it stands above the verbs: it is started, never
 * imported.
 */
import { runtime } from '#runtime';
import { TransferKitError } from './errors.js';

import type { ExtractionJob, Extractor } from './feature-cache/extractor.js';
import { createLocalExtractor } from './feature-cache/local-extractor.js';
import { loadModel } from './load-model.js';
import { TrainingControl } from './training/control.js';
import type { AnyModel } from './training/weight-set.js';
import type { MethodResult } from './workers/messages.js';
import { fromPlainDataset } from './workers/plain-dataset.js';
import { fromPlainError, toPlainError } from './workers/plain-error.js';
import { toPlainEvent, toPlainPlan } from './workers/plain-event.js';
import { serveCalls } from './workers/serve-calls.js';
import { sharedSource, type SharedModel } from './workers/shared-model.js';
import type { SteerRequest, TrainRequest, TrainResult } from './workers/train-in-worker.js';
import { buffersOf, changesSince, stateOf } from './workers/weight-changes.js';
import type { OpenExtractor, PlainItem } from './workers/worker-extractor.js';

async function load(model: SharedModel): Promise<AnyModel> {
  const { backend, engine, threads } = model;
  return await loadModel(sharedSource(model), { backend, engine, runtime, ...(threads === undefined ? {} : { threads }) });
}

let extractor: Extractor | undefined;

async function openExtractor({ model, firstGroup }: OpenExtractor): Promise<MethodResult> {
  extractor = createLocalExtractor(await load(model), firstGroup);
  return { value: undefined };
}

/** Features are handed over, not copied: the extractor made each array for this answer alone. */
async function extract(jobs: readonly ExtractionJob[]): Promise<MethodResult> {
  const items = await extractor!.extract(jobs);
  const value = items.map((item): PlainItem => ('error' in item ? { error: toPlainError(item.error) } : item));
  const arrays = items.flatMap((item) => ('error' in item ? [] : item.branches.flat()));
  return { value, transfer: [...new Set(arrays.map(({ values }) => values.buffer as ArrayBuffer))] };
}

const control = new TrainingControl();

function steer({ state, reason }: SteerRequest): MethodResult {
  if (state === 'paused') control.pause();
  if (state === 'running') control.resume();
  if (state === 'aborted') control.abort(reason && fromPlainError(reason));
  return { value: undefined };
}

async function train(
  { model: shared, freezeIsChosen, data, validation, options, unfreeze }: TrainRequest,
  tell: (news: unknown) => void,
): Promise<MethodResult> {
  const { fineTune } = await import('./fine-tune.js'); // workers that compute features start without it
  const model = await load(shared);
  model.base.freezeIsChosen = freezeIsChosen; // loading takes the saved state for a decision
  const before = stateOf(model);
  const { history, plan } = await fineTune(model, fromPlainDataset(data), {
    ...options,
    ...(validation === undefined ? {} : { validation: typeof validation === 'number' ? validation : fromPlainDataset(validation) }),
    ...(unfreeze === undefined ? {} : { unfreeze: ({ name }) => unfreeze.includes(name) }),
    control,
    progress: false,
    onEvent: (event) => tell(toPlainEvent(event)),
  });
  const changes = await changesSince(model, before);
  const value: TrainResult = { changes, freeze: model.base.freeze, history, plan: toPlainPlan(plan), record: model.record.training! };
  return { value, transfer: buffersOf(changes) };
}

const line = runtime.spawner?.();
if (line === undefined)
  throw new TransferKitError(
    'unsupported',
    'this module is the program of worker threads.\n  Fix: do not import it; the option workers of fineTune starts it.',
  );
serveCalls(line, { openExtractor, extract, train, steer });
