import type { JsonObject } from '../common/json.js';
import { TransferKitError } from '../errors.js';
import type { Runtime } from '../runtimes/runtime.js';
import { namesAt, refuseForeign } from '../saving/save-target.js';
import { parseJsonObject } from '../weights/read-json.js';

/** Files of the export that lies in a folder; none where there is no export. */
async function exportedFiles(path: string, record: string, runtime: Runtime): Promise<readonly string[]> {
  const file = await runtime.openFile(runtime.joinPath(path, record));
  if (file === undefined || file.size > 25e6) return [];
  try {
    const json = parseJsonObject(await file.read(0, file.size), file.origin);
    const metadata = json['userDefinedMetadata'] as JsonObject | null | undefined;
    const told = (json['transferkit_export'] ?? metadata?.['transferkit_export']) as JsonObject | null | undefined;
    const files = told?.['files'];
    return Array.isArray(files) ? files.map(String) : [];
  } catch (error) {
    if (TransferKitError.isInstance(error) && error.code === 'corrupt-file') return [];
    throw error;
  }
}

/**
 * An export replaces what is at its path, so there may be nothing but an earlier export.
 * @param record the file that lists an export's files
 * @throws TransferKitError `bad-option`
 */
export async function checkExportTarget(path: string, record: string, runtime: Runtime): Promise<void> {
  if (typeof path !== 'string' || path === '') {
    throw new TransferKitError(
      'bad-option',
      `an export needs the path of a folder.\n  Expected: a path such as './flowers-onnx'\n  Received: ${path === '' ? 'an empty string' : typeof path}\n  Fix: pass it as the second argument.`,
    );
  }
  const names = await namesAt(path, runtime, 'export');
  if (names.length === 0) return;
  const own = new Set((await exportedFiles(path, record, runtime)).map((file) => file.split('/')[0]));
  refuseForeign(path, own.size === 0 ? names : names.filter((name) => !own.has(name)), 'export');
}
