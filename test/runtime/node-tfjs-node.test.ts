/**
 * tfjs-node for real. It downloads a library when it is installed, so it is no dependency of the tests: point
 * TRANSFERKIT_TFJS_NODE_DIR at a folder whose node_modules holds a working copy. Each case is an application of its own: a
 * temporary folder with a node_modules, and our code bundled with its packages left outside.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const place = process.env['TRANSFERKIT_TFJS_NODE_DIR'] ?? '';
const packages = join(place, 'node_modules');
const isThere = place !== '' && existsSync(join(packages, '@tensorflow', 'tfjs-node', 'lib', 'napi-v8', 'tfjs_binding.node'));
const reason =
  place === ''
    ? ' (skipped: TRANSFERKIT_TFJS_NODE_DIR is not set)'
    : isThere
      ? ''
      : ' (skipped: no built tfjs-node at TRANSFERKIT_TFJS_NODE_DIR)';

const ownPackages = join(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core/package.json')), '..', '..');

interface Verdict {
  readonly choice: { readonly backend: string; readonly trials: readonly { readonly name: string; readonly reason: string }[] };
  readonly describe: string;
  readonly losses: readonly number[];
  readonly leaked: number;
}

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const program = source('./tfjs-node-program.ts');
let root = '';
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'tfjs-node-'))));
afterAll(() => rm(root, { recursive: true }));

/** Makes an application whose packages lie where `links` says, runs it and gives what it printed. */
async function runApplication(
  name: string,
  links: Readonly<Record<string, string>>,
  entry = program,
): Promise<{ verdict: Verdict; stderr: string }> {
  const folder = join(root, name);
  for (const [link, target] of Object.entries(links)) {
    await mkdir(dirname(join(folder, link)), { recursive: true });
    await symlink(target, join(folder, link));
  }
  const outfile = join(folder, 'program.mjs');
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['@tensorflow/*', 'sharp', 'cli-progress'],
    alias: { '#runtime': source('../../src/runtimes/node.ts') },
    logLevel: 'error',
  });
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [outfile], {
    cwd: folder,
    env: { ...process.env, TRANSFERKIT_BACKEND: '' },
  });
  return { verdict: JSON.parse(stdout) as Verdict, stderr };
}

describe.skipIf(!isThere)(`tfjs-node${reason}`, () => {
  it('is chosen, proves its gradient, trains a small network and prints nothing', async () => {
    const { verdict, stderr } = await runApplication('one-copy', { node_modules: packages });
    expect(verdict.choice.backend).toBe('tensorflow');
    expect(verdict.describe).toMatch(/^tensorflow \(tfjs-node 4\.\d+\.\d+\) on Node/);
    expect(verdict.losses.at(-1)!).toBeLessThan(verdict.losses[0]! * 0.5);
    expect(verdict.leaked).toBe(0);
    expect(stderr).toBe('');
  });

  it('trains whole networks with fineTune, along the same curve as wasm', async () => {
    const training = source('./tfjs-node-training.ts');
    const { verdict } = await runApplication('fine-tune', { node_modules: packages }, training);
    expect(verdict.choice.backend).toBe('tensorflow');
    expect(verdict.leaked).toBe(0);
    const env = { ...process.env, TRANSFERKIT_BACKEND: 'wasm' };
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', training], { cwd: source('../..'), env });
    const wasm = (JSON.parse(stdout) as Verdict).losses;
    verdict.losses.forEach((loss, step) => expect(Math.abs(loss - wasm[step]!)).toBeLessThan(0.01 * Math.max(1, loss)));
  });

  it('is passed over, with the reason, when it brings its own tfjs-core', async () => {
    const core = Object.fromEntries(
      ['tfjs-core', 'tfjs-layers', 'tfjs-backend-cpu', 'tfjs-backend-wasm'].map((name) => [
        `node_modules/@tensorflow/${name}`,
        join(ownPackages, '@tensorflow', name),
      ]),
    );
    const links = { ...core, 'node_modules/@tensorflow/tfjs-node': join(packages, '@tensorflow', 'tfjs-node') };
    const { verdict } = await runApplication('two-copies', links);
    expect(verdict.choice.backend).toBe('wasm');
    expect(verdict.describe).toContain('tfjs-node brings another copy of tfjs-core');
    expect(verdict.losses.at(-1)!).toBeLessThan(verdict.losses[0]! * 0.5);
  });
});
