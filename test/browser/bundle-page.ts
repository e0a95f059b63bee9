import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = resolve(import.meta.dirname, '../..');

/** What a bundler for browsers asks for. */
const conditions = ['browser', 'import', 'default'];

/** The target of an entry under "imports" in package.json, taken from the sources instead of `dist`. */
function resolveImport(name: string): string {
  const { imports } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as { imports: Record<string, Record<string, string>> };
  const [, target] = Object.entries(imports[name]!).find(([condition]) => conditions.includes(condition))!;
  return resolve(root, target.replace('./dist/', 'src/').replace(/\.js$/, '.ts'));
}

const packageImports: Plugin = {
  name: 'package-imports',
  setup: ({ onResolve }) => onResolve({ filter: /^#/ }, ({ path }) => ({ path: resolveImport(path) })),
};

/** The files of a page by name: what a bundler makes of one of the programs beside this file. `absent` packages are not installed. */
export async function bundlePage(program: string, absent: readonly string[] = []): Promise<ReadonlyMap<string, Uint8Array>> {
  const { outputFiles } = await build({
    entryPoints: [resolve(import.meta.dirname, program)],
    entryNames: 'page',
    outdir: '/',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    external: [...absent],
    plugins: [packageImports],
    tsconfigRaw: {}, // its "paths" point at Node's runtime
    logLevel: 'error',
  });
  return new Map(outputFiles.map(({ path, contents }) => [path.replace(/^.*[\\/]/, ''), contents]));
}
