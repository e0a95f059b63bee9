import { TransferKitError } from '../errors.js';
import type { JsonObject } from '../common/json.js';
import type { Runtime } from '../runtimes/runtime.js';
import { parseJsonObject } from '../weights/read-json.js';

/** What every saved model may have; companions of the processor are listed in its config. */
const ownFiles = ['config.json', 'model.safetensors', 'training.json', 'metrics.json', 'LICENSE', 'README.md'];

/** What file managers leave behind. */
const litter = ['.DS_Store', 'Thumbs.db', 'desktop.ini'];

function refused(path: string, what: string): TransferKitError {
  return new TransferKitError(
    'bad-option',
    `"${path}" ${what}, and saving a model there would delete it.\n  Expected: a path with nothing at it, an empty folder, or a model that was saved before.\n  Fix: choose another folder, or clear this one yourself.`,
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

/**
 * A model replaces what is at its path, so there may be nothing but a model: `save('photos')` must not cost the photos.
 * @throws TransferKitError `bad-option`
 */
export async function checkSaveTarget(path: string, runtime: Runtime): Promise<void> {
  const entries = await runtime.listFolder(path);
  if (entries === undefined && (await runtime.openFile(path)) !== undefined) throw refused(path, 'is a file');
  const names = (entries ?? []).map(({ name }) => name).filter((name) => !litter.includes(name));
  if (names.length === 0) return;
  const companions = await companionsIn(path, runtime);
  const foreign = companions === undefined ? names : names.filter((name) => !ownFiles.includes(name) && !companions.includes(name));
  if (foreign.length === 0) return;
  const more = foreign.length > 3 ? ` and ${foreign.length - 3} more` : '';
  throw refused(path, `holds other things (${foreign.slice(0, 3).join(', ')}${more})`);
}
