import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

/** The public names point at the sources, so that tests read as a user's code does. */
const alias = [
  { find: '#runtime', replacement: source('runtimes/node.ts') },
  { find: /^transferkit$/, replacement: source('index.ts') },
  { find: /^transferkit\/data$/, replacement: source('data/index.ts') },
  { find: /^transferkit\/web$/, replacement: source('runtimes/web.ts') },
  { find: /^transferkit\/node$/, replacement: source('runtimes/node.ts') },
  { find: /^transferkit\/testing$/, replacement: source('testing.ts') },
  { find: /^transferkit\/(backbones|sources|heads|inputs)\/(.*)$/, replacement: source('$1/$2.ts') },
];

export default defineConfig({
  resolve: { alias },
  test: {
    name: 'node',
    globalSetup: 'test/temporary-cache.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    include: ['test/**/*.test.ts', 'src/**/*.test.ts'],
    exclude: ['test/package/**', 'test/examples/**', 'test/browser/**', 'node_modules/**'],
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
  },
});
