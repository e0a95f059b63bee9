import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { download } from '../../src/runtimes/node/download.js';
import { joinPath, listFolder, openFile, sha256 } from '../../src/runtimes/node/files.js';
import type { Runtime } from '../../src/runtimes/runtime.js';

const absent = (): never => {
  throw new Error('sources have no use for this part of a runtime');
};

/** The parts of the Node runtime that sources use, with an environment of the test's own and quick retries. */
export const testRuntime = (environment: Readonly<Record<string, string>> = {}): Runtime => ({
  name: 'node',
  chooseBackend: absent,
  describe: absent,
  writeFolder: absent,
  decodeImage: absent,
  progress: () => undefined,
  openFile,
  listFolder,
  joinPath,
  sha256,
  download: (request) => download({ retryDelayMs: 1, ...request }),
  environment: (name) => environment[name],
});

/** An empty folder of the test's own. */
export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'transferkit-test-'));
