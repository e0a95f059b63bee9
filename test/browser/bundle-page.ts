import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = resolve(import.meta.dirname, '../..');

/** What a bundler for browsers asks for. */
const conditions = ['browser', 'import', 'default'];

/** The target of an entry under "imports" in package.json, taken from the sources instead of `dist`. */
function resolveImport(name: string): string {
  const { imports } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8')) as {
    imports: Record<string, Record<string, string>>;
  };
  const [, target] = Object.entries(imports[name]!).find(([condition]) => conditions.includes(condition))!;
  return resolve(root, target.replace('./dist/', 'src/').replace(/\.js$/, '.ts'));
}

const packageImports: Plugin = {
  name: 'package-imports',
  setup: ({ onResolve }) => onResolve({ filter: /^#/ }, ({ path }) => ({ path: resolveImport(path) })),
};

/** What a page is bundled with. */
export interface BundleOptions {
  /** Packages that are not installed. */
  readonly absent?: readonly string[];
  /** A project of its own that the program lies in, where the package is had as users have it. Default: beside this file, from the sources. */
  readonly folder?: string;
}

/** The files of a page by name: what a bundler for browsers makes of a program. */
export async function bundlePage(program: string, { absent = [], folder }: BundleOptions = {}): Promise<ReadonlyMap<string, Uint8Array>> {
  const { outputFiles } = await build({
    entryPoints: [resolve(folder ?? import.meta.dirname, program)],
    entryNames: 'page',
    outdir: '/',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    external: [...absent],
    plugins: folder === undefined ? [packageImports] : [],
    preserveSymlinks: folder !== undefined, // what is linked into the project counts as installed there
    tsconfigRaw: {}, // its "paths" point at Node's runtime
    logLevel: 'error',
  });
  return new Map(outputFiles.map(({ path, contents }) => [path.replace(/^.*[\\/]/, ''), contents]));
}
