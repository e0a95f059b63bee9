import type { JsonObject } from '../../common/json.js';
import type { Runtime } from '../../runtimes/runtime.js';
import { memoryFile, type ByteFile } from '../../weights/byte-file.js';
import { readSafetensorsHeader, readTensor } from '../../weights/safetensors.js';
import type { TensorValue } from '../../weights/tensor-value.js';
import { writeSafetensors } from '../../weights/write-safetensors.js';
import { fromExactJson, toExactJson } from './exact-json.js';
import type { Fingerprint } from './fingerprint.js';

/** A run at one moment: everything that its remaining steps depend on. */
export interface RunState {
  /** What the run is made of: a state only serves a run with the same. */
  readonly fingerprint: Fingerprint;
  /** Steps done so far in the whole run; names the folder. */
  readonly step: number;
  /** Place in the run, random numbers, averages, history. Every float64 comes back bit by bit, also NaN and the infinities. */
  readonly json: JsonObject;
  /** Weights, slots of the optimiser, averages of weights, best weights. */
  readonly tensors: ReadonlyMap<string, TensorValue>;
  /** The run is over: `json` and `tensors` are its result. */
  readonly finished?: boolean;
}

/** What `state.json` says. */
interface StateRecord {
  readonly format: 1;
  readonly step: number;
  readonly best: boolean;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  readonly fingerprint: Fingerprint;
  readonly json: JsonObject;
}

const stateFile = 'state.json';

/** Largest file of tensors: far below what the hash functions of all places take at once. */
const maxFileBytes = 512 * 2 ** 20;

/** Cuts the tensors into files: one for all but large networks. */
function* inFiles(tensors: RunState['tensors'], limit: number): Generator<Map<string, TensorValue>> {
  let part = new Map<string, TensorValue>();
  let room = limit;
  for (const [name, tensor] of tensors) {
    if (part.size > 0 && tensor.values.byteLength > room) {
      yield part;
      part = new Map();
      room = limit;
    }
    part.set(name, tensor);
    room -= tensor.values.byteLength;
  }
  yield part;
}

/** The files of a checkpoint: `state.json`, and the tensors with their checksums in it. */
export async function writeState(
  state: RunState,
  best: boolean,
  runtime: Pick<Runtime, 'sha256'>,
  limit = maxFileBytes,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const listed: StateRecord['files'][number][] = [];
  for (const part of inFiles(state.tensors, limit)) {
    const name = listed.length === 0 ? 'state.safetensors' : `state-${listed.length + 1}.safetensors`;
    const bytes = writeSafetensors(part, { format: 'transferkit-checkpoint' });
    listed.push({ name, bytes: bytes.length, sha256: await runtime.sha256(bytes) });
    files.set(name, bytes);
  }
  const { step, fingerprint, json } = state;
  const record: StateRecord = { format: 1, step, best, files: listed, fingerprint, json };
  const text = toExactJson(record as unknown as JsonObject);
  return files.set(stateFile, encode(`${await startOf(text, runtime)}${text}}\n`));
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What stands before the state: its own checksum, so that a changed digit in it is seen as well. */
const startOf = async (text: string, runtime: Pick<Runtime, 'sha256'>): Promise<string> =>
  `{"sha256":"${await runtime.sha256(encode(text))}","state":`;

/** Why a checkpoint cannot be used; never leaves this folder of the sources. */
export class Damaged extends Error {}

async function wholeFile(runtime: Runtime, folder: string, name: string): Promise<ByteFile> {
  const file = await runtime.openFile(runtime.joinPath(folder, name));
  if (file === undefined) throw new Damaged(`${name} is missing`);
  return memoryFile(await file.read(0, file.size), file.origin);
}

/** Reads `state.json` alone. @throws Damaged */
export async function readRecord(runtime: Runtime, folder: string): Promise<StateRecord> {
  const file = await wholeFile(runtime, folder, stateFile);
  const whole = new TextDecoder().decode(await file.read(0, file.size));
  const text = whole.slice((await startOf('', runtime)).length, -'}\n'.length);
  if (!whole.startsWith(await startOf(text, runtime))) throw new Damaged(`${stateFile} does not have its checksum`);
  const record = fromExactJson(text) as StateRecord;
  if (record.format !== 1) throw new Damaged(`${stateFile} has format ${String(record.format)}, and this version reads 1`);
  return record;
}

/** Reads a checkpoint and compares every byte with its checksums. @throws Damaged */
export async function readState(runtime: Runtime, folder: string): Promise<RunState> {
  const { step, fingerprint, json, files } = await readRecord(runtime, folder);
  const tensors = new Map<string, TensorValue>();
  for (const { name, sha256 } of files) {
    const file = await wholeFile(runtime, folder, name);
    if ((await runtime.sha256(await file.read(0, file.size))) !== sha256) throw new Damaged(`${name} does not have its checksum`);
    const header = await readSafetensorsHeader(file);
    for (const [tensor, stored] of header.tensors) tensors.set(tensor, await readTensor(file, stored));
  }
  return { step, fingerprint, json, tensors };
}
