import { readdirSync } from 'node:fs';
import { defineConfig } from 'tsup';

/** Every file of a plug-in folder is an entry: `transferkit/backbones/bert`. */
const plugins = ['backbones', 'sources', 'heads'].flatMap((folder) =>
  readdirSync(`src/${folder}`)
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => `src/${folder}/${file}`),
);

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/data/index.ts',
    'src/runtimes/node.ts',
    'src/runtimes/web.ts',
    'src/testing.ts',
    'src/cli/main.ts',
    'src/worker.ts',
    'src/inputs/image.ts',
    'src/inputs/text.ts',
    ...plugins,
  ],
  outDir: 'dist',
  format: 'esm',
  target: 'es2022',
  platform: 'neutral',
  splitting: true,
  treeshake: true,
  sourcemap: true,
  clean: true,
  tsconfig: 'tsconfig.build.json',
  // The declarations need the type of what "#runtime" is; the code must leave it open.
  dts: { compilerOptions: { paths: { '#runtime': ['./src/runtimes/node.ts'] } } },
  // Resolved by the reader's own Node or bundler, through the "imports" field of package.json.
  external: ['#runtime', /^node:/],
  skipNodeModulesBundle: true,
  removeNodeProtocol: false,
});
