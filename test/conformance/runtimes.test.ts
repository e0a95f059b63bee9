import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, test } from 'vitest';
import { runtime } from 'transferkit/node';
import { testRuntime } from 'transferkit/testing';

const scratch = mkdtempSync(join(tmpdir(), 'transferkit-runtime-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const bytes = readFileSync(join(import.meta.dirname, '../golden/inputs/rgb.jpg'));
testRuntime(runtime, { test, folder: scratch, picture: { bytes, width: 67, height: 45 }, backends: ['cpu', 'wasm'] });
