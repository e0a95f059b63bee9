import { findBackbone } from '../backbones/index.js';
import type { Engine } from '../engines/engine.js';
import { TransferKitError } from '../errors.js';
import type { AnyHead } from '../heads/head.js';
import { findHead } from '../heads/index.js';
import { savedFiles } from '../saving/save-model.js';
import { defineSource, type Source } from '../sources/source.js';
import type { AnyModel } from '../training/weight-set.js';
import { memoryFile } from '../weights/byte-file.js';
import { openCheckpointFiles } from '../weights/checkpoint-files.js';

/** A model on its way to workers: the files that `save` would write. Weights lie in memory that threads share. */
export interface SharedModel {
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The tfjs backend that the model computes on. */
  readonly backend: string;
  /** The engine that runs it. */
  readonly engine: Engine['name'];
  /** Threads that a worker may compute with; undefined where the engine has none. */
  readonly threads?: number | undefined;
}

/** Whether two functions, or objects of functions, are written alike. */
function sameCode(own: unknown, ours: unknown): boolean {
  if (typeof own === 'function' || typeof ours === 'function') return String(own) === String(ours);
  return true;
}

/** Members of a head that differ from the head that its name stands for. */
function changedMembers(head: AnyHead, ours: AnyHead): string[] {
  const members = (of: object): [string, unknown][] =>
    Object.entries(of).flatMap(([name, value]) => (name === 'metrics' ? Object.entries(value as object) : [[name, value] as const]));
  const known = new Map(members(ours));
  const own = new Map(members(head));
  return [...new Set([...known.keys(), ...own.keys()])].filter((name) => !sameCode(own.get(name), known.get(name)));
}

const ownPlugin = (what: string): TransferKitError =>
  new TransferKitError(
    'unsupported',
    `${what} is one of your own, and a worker can only load those of the package by name.\n  Fix: run it without workers.`,
    { details: { what } },
  );

/** A worker finds family and head by their names; it must find the same. @throws TransferKitError `unsupported` */
async function checkPlugins({ base, head }: AnyModel): Promise<void> {
  const { family } = base.parts;
  const listed = await findBackbone(family.name).catch(() => undefined);
  // A family that reads a saved model differs in where weights come from, not in what it builds.
  if (listed?.build !== family.build || listed.processor !== family.processor) throw ownPlugin(`the backbone "${family.name}"`);
  const restored = (await findHead(head.name).catch(() => undefined))?.restore(head.config);
  if (restored === undefined) throw ownPlugin(`the head "${head.name}"`);
  const changed = changedMembers(head, restored);
  if (changed.length > 0) throw ownPlugin(`the head "${head.name}" (its ${changed.join(', ')})`);
}

function inSharedMemory(bytes: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.byteLength));
  shared.set(bytes);
  return shared;
}

/**
 * Packs a model for workers.
 * @param workers how many there will be: they share the processor's cores
 * @throws TransferKitError `unsupported` for a backbone or head that a worker cannot find by its name
 */
export async function shareModel(model: AnyModel, workers: number): Promise<SharedModel> {
  await checkPlugins(model);
  const files = await savedFiles(model, 'model');
  for (const [name, bytes] of files) if (name.endsWith('.safetensors')) files.set(name, inSharedMemory(bytes));
  const { backend, engine } = model.base.parts;
  const threads = engine.threads && Math.max(1, Math.floor(engine.threads / workers));
  return { files, backend: backend.backend, engine: engine.engine.name, threads };
}

/** The source of a model that was shared. */
export function sharedSource({ files }: SharedModel): Source {
  const open = (name: string) => Promise.resolve(files.has(name) ? memoryFile(files.get(name)!, name) : undefined);
  const set = { origin: 'the shared model', revision: 'shared', names: [...files.keys()], open };
  return defineSource({ apiVersion: 1, name: 'shared', open: () => openCheckpointFiles(set) });
}
