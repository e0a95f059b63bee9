import { TransferKitError } from '../errors.js';
import type { JsonObject } from '../common/json.js';
import type { Runtime } from '../runtimes/runtime.js';
import { parseJsonObject } from '../weights/read-json.js';

/** What every saved model may have; companions of the processor are listed in its config. */
const ownFiles = ['config.json', 'model.safetensors', 'training.json', 'metrics.json', 'LICENSE', 'README.md'];

/** What every saved adapter may have. */
const adapterFileNames = [
  'adapter_config.json',
  'adapter_model.safetensors',
  'head.safetensors',
  'transferkit.json',
  'training.json',
  'metrics.json',
  'README.md',
];

/** What file managers leave behind. */
const litter = ['.DS_Store', 'Thumbs.db', 'desktop.ini'];

/** What may be saved, as messages have it. */
const ofKind = { model: 'a model', adapter: 'an adapter', export: 'an export' } as const;
type SavedKind = keyof typeof ofKind;

function refused(path: string, what: string, kind: SavedKind): TransferKitError {
  const one = ofKind[kind];
  return new TransferKitError(
    'bad-option',
    `"${path}" ${what}, and saving ${one} there would delete it.\n  Expected: a path with nothing at it, an empty folder, or ${one} that was saved before.\n  Fix: choose another folder, or clear this one yourself.`,
    { details: { path } },
  );
}

/** Companion files of the model that lies in a folder; undefined where there is no saved model. */
async function companionsIn(path: string, runtime: Runtime): Promise<readonly unknown[] | undefined> {
  const file = await runtime.openFile(runtime.joinPath(path, 'config.json'));
  if (file === undefined || file.size > 25e6) return undefined;
  try {
    const saved = parseJsonObject(await file.read(0, file.size), file.origin)['transferkit'] as JsonObject | null | undefined;
    const { companions } = saved ?? {};
    return saved === undefined || saved === null ? undefined : Array.isArray(companions) ? companions : [];
  } catch (error) {
    if (TransferKitError.isInstance(error) && error.code === 'corrupt-file') return undefined;
    throw error;
  }
}

/** What lies at a path, without litter. @throws TransferKitError `bad-option` where there is a file */
export async function namesAt(path: string, runtime: Runtime, kind: SavedKind): Promise<string[]> {
  const entries = await runtime.listFolder(path);
  if (entries === undefined && (await runtime.openFile(path)) !== undefined) throw refused(path, 'is a file', kind);
  return (entries ?? []).map(({ name }) => name).filter((name) => !litter.includes(name));
}

/** @throws TransferKitError `bad-option` where something lies that is no part of what is saved */
export function refuseForeign(path: string, foreign: readonly string[], kind: SavedKind): void {
  if (foreign.length === 0) return;
  const more = foreign.length > 3 ? ` and ${foreign.length - 3} more` : '';
  throw refused(path, `holds other things (${foreign.slice(0, 3).join(', ')}${more})`, kind);
}

/**
 * A model replaces what is at its path, so there may be nothing but a model: `save('photos')` must not cost the photos.
 * @throws TransferKitError `bad-option`
 */
export async function checkSaveTarget(path: string, runtime: Runtime): Promise<void> {
  const names = await namesAt(path, runtime, 'model');
  if (names.length === 0) return;
  const companions = await companionsIn(path, runtime);
  const foreign = companions === undefined ? names : names.filter((name) => !ownFiles.includes(name) && !companions.includes(name));
  refuseForeign(path, foreign, 'model');
}

/**
 * The same for an adapter: there may be nothing but an adapter that we or PEFT saved.
 * @throws TransferKitError `bad-option`
 */
export async function checkAdapterTarget(path: string, runtime: Runtime): Promise<void> {
  const names = await namesAt(path, runtime, 'adapter');
  const isAdapter = names.includes('adapter_config.json') && names.includes('adapter_model.safetensors');
  refuseForeign(path, isAdapter ? names.filter((name) => !adapterFileNames.includes(name)) : names, 'adapter');
}
