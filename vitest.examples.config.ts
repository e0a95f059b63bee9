import { defineConfig } from 'vitest/config';

/** The examples, run as a user runs them. */
export default defineConfig({
  test: {
    name: 'examples',
    globalSetup: 'test/temporary-cache.ts',
    include: ['test/examples/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 60_000,
  },
});
