import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Gives all tests of a run a cache of their own, so that none writes to a person's. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-test-cache-'));
  process.env['TRANSFERKIT_CACHE'] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
