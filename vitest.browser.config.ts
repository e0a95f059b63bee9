import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Tests that run in a real Chromium: `CHROMIUM` names it, else the system's own is taken. */
export default defineConfig({
  resolve: { alias: [{ find: /^transferkit\/node$/, replacement: fileURLToPath(new URL('./src/runtimes/node.ts', import.meta.url)) }] },
  test: { name: 'browser', include: ['test/browser/**/*.browser.ts'], testTimeout: 60_000, hookTimeout: 60_000, fileParallelism: false },
});
