import { defineConfig } from 'vitest/config';

/** Four projects, each with a file of its own: `npx vitest run --project node`. */
export default defineConfig({
  test: {
    projects: ['vitest.node.config.ts', 'vitest.package.config.ts', 'vitest.browser.config.ts', 'vitest.examples.config.ts'],
    maxWorkers: 2,
  },
});
