import { defineConfig } from 'vitest/config';

/** Tests of what is published: they need `npm run build` first. */
export default defineConfig({
  test: {
    name: 'package',
    globalSetup: 'test/temporary-cache.ts',
    include: ['test/package/**/*.test.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
