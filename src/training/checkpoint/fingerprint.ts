import type { JsonObject, JsonValue } from '../../common/json.js';
import type { DataItem, Dataset } from '../../data/dataset.js';
import { TransferKitError } from '../../errors.js';
import { contentHash, inputsOf } from '../../feature-cache/record-keys.js';
import { version } from '../../saving/version.js';
import type { Runtime } from '../../runtimes/runtime.js';
import type { TrainingPlan } from '../plan.js';
import type { AnyModel } from '../weight-set.js';

/** What must be equal for a run to be continued, as plain data. */
export type Fingerprint = JsonObject;

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What an example is, in a line: the content of its inputs, or where that cannot be told (behind a web address) how they were given; name, target, weight. */
export async function exampleMark(model: AnyModel, { id, input, target, weight }: DataItem): Promise<string> {
  const contents: unknown[] = [];
  for (const raw of inputsOf(model, input)) contents.push((await contentHash(model, raw)) ?? raw);
  return JSON.stringify([contents, id, target, weight]);
}

/** Where examples came from, how many they are, and a checksum over their contents, labels, weights and order. */
async function dataMark(model: AnyModel, data: Dataset): Promise<JsonObject> {
  const marks: string[] = [];
  for (const item of data.items) marks.push(await exampleMark(model, item));
  return { origin: data.origin, count: data.length, sha256: await model.base.parts.runtime.sha256(utf8(marks.join('\n'))) };
}

/** A checksum over the weights of the base, by name, as they stand. */
async function weightsMark(model: AnyModel, runtime: Runtime): Promise<string> {
  const marks: string[] = [];
  for (const [name, weight] of model.base.weights()) {
    const values = await weight.read().data();
    marks.push(`${name} ${await runtime.sha256(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))}`);
  }
  return runtime.sha256(utf8(marks.join('\n')));
}

/** What a run is made of. */
export interface RunFacts {
  /** Before the first step: its weights are part of what must be equal. */
  readonly model: AnyModel;
  readonly training: Dataset;
  readonly validation: Dataset | undefined;
  readonly plan: TrainingPlan;
  /** What the plan does not tell and the numbers depend on. */
  readonly more?: JsonObject;
}

/**
 * Looks at everything that the numbers of a run depend on: each example is read once.
 * @throws TransferKitError what reading an example throws
 */
export async function makeFingerprint({ model, training, validation, plan, more = {} }: RunFacts): Promise<Fingerprint> {
  const { runtime, family, provenance, backend } = model.base.parts;
  const { describe: _describe, decisions: _decisions, ...numbers } = plan;
  const fingerprint = {
    transferkit: version,
    backend: backend.backend,
    data: {
      training: await dataMark(model, training),
      validation: validation === undefined ? null : await dataMark(model, validation),
    },
    base: {
      family: family.name,
      origin: provenance.origin,
      revision: provenance.revision,
      weights: { sha256: await weightsMark(model, runtime) },
    },
    head: { name: model.head.name, config: model.head.config },
    plan: numbers,
    ...more,
  };
  return asJson(fingerprint);
}

/** As it will come back from a file: without what is undefined. */
const asJson = (value: unknown): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject;

/** Beyond this many differences the rest is counted. */
const shown = 8;

const isBranch = (value: JsonValue | undefined): value is JsonObject | readonly JsonValue[] => typeof value === 'object' && value !== null;

/** A value in a few letters. */
function show(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `${value.length} of them`;
  const text = isBranch(value) ? 'a group of values' : JSON.stringify(value);
  if (/^"[0-9a-f]{64}"$/.test(text)) return `${text.slice(1, 9)}...`;
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** `plan.phases[1].epochs` */
const join = (path: string, key: string, inList: boolean): string => (inList ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`);

/**
 * What differs between a saved fingerprint and this run's: lines such as `plan.phases[1].epochs: 3 in the checkpoint, 5 now`.
 */
export function difference(saved: JsonValue | undefined, now: JsonValue | undefined, path = ''): string[] {
  if (saved === now) return [];
  if (!isBranch(saved) || !isBranch(now) || Array.isArray(saved) !== Array.isArray(now))
    return [`${path}: ${show(saved)} in the checkpoint, ${show(now)} now`];
  const before = saved as JsonObject;
  const after = now as JsonObject;
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => difference(before[key], after[key], join(path, key, Array.isArray(saved))));
}

/** What a reader may do about a difference that the values alone do not explain. */
function hintFor(lines: readonly string[]): string {
  const starts = (name: string): boolean => lines.some((line) => line.startsWith(name));
  if (starts('base.weights')) return ' A model that has been trained since must be loaded again.';
  return starts('data.') ? ' The examples, their labels or their order are not the same.' : '';
}

/** @throws TransferKitError `bad-option` that names every difference */
export function assertSameRun(saved: Fingerprint, now: Fingerprint, directory: string): void {
  const lines = difference(saved, now);
  if (lines.length === 0) return;
  const listed = lines.slice(0, shown).map((line) => `  ${line}`);
  if (lines.length > shown) listed.push(`  and ${lines.length - shown} more`);
  throw new TransferKitError(
    'bad-option',
    `"${directory}" holds checkpoints of another run; this one differs.${hintFor(lines)}\n${listed.join('\n')}\n` +
      '  Fix: use the same data and options, name another folder, or pass checkpoint: { directory, resume: false } to start over there.',
    { details: { directory, differences: lines } },
  );
}
