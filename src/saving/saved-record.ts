import * as v from 'valibot';
import { TransferKitError } from '../errors.js';
import type { ModelRecord } from '../model.js';
import type { Checkpoint } from '../sources/source.js';
import { parseJsonObject } from '../weights/read-json.js';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What the model card is written from; the rest of a record is shown as it is. */
const trainingSchema = v.looseObject({
  data: v.string(),
  classCounts: v.record(v.string(), count),
  plan: v.looseObject({ examples: v.looseObject({ train: count, validation: count }), decisions: v.array(v.string()) }),
  history: v.looseObject({ epochs: v.array(v.looseObject({})) }),
});

// An infinite or undefined figure is null in JSON.
const metricsSchema = v.looseObject({
  data: v.string(),
  count,
  figures: v.record(v.string(), v.nullable(v.number())),
  report: v.looseObject({}),
});

/** A file of a saved model by its schema; undefined where there is none. */
async function readRecord(checkpoint: Checkpoint, path: string, schema: v.GenericSchema): Promise<unknown> {
  const bytes = await checkpoint.file(path);
  if (bytes === undefined) return undefined;
  const where = `${path} of ${checkpoint.origin}`;
  const value = parseJsonObject(bytes, where, 'bad-config');
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return value; // not the output, which drops labels such as "constructor"
  const [issue] = parsed.issues;
  throw new TransferKitError(
    'bad-config',
    `"${where}" is not what model.save wrote.\n  Received: something else at ${v.getDotPath(issue) ?? 'its start'}\n  Fix: fetch it again, or remove it; the model works without.`,
    { details: { origin: checkpoint.origin, file: path } },
  );
}

/** What was written beside the weights. Shown, never computed with. @throws TransferKitError `bad-config` */
export async function savedRecord(checkpoint: Checkpoint): Promise<ModelRecord> {
  const [training, metrics] = await Promise.all([
    readRecord(checkpoint, 'training.json', trainingSchema),
    readRecord(checkpoint, 'metrics.json', metricsSchema),
  ]);
  return { ...(training === undefined ? {} : { training }), ...(metrics === undefined ? {} : { metrics }) } as ModelRecord;
}
