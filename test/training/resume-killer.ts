/** Starts the program of `resume-program.ts`, kills it at random moments, and starts it again until it comes to its end. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { createRandom, type Random } from '../../src/common/random.js';
import type { ResumeRequest } from './resume-program.js';

const root = new URL('../../', import.meta.url).pathname;

/** A folder of the test's own. */
export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'transferkit-resume-'));

/** A program as one file: it starts many times, and compiling it each time would take most of the test. */
export async function bundleProgram(name = 'resume-program'): Promise<{ readonly path: string; remove(): void }> {
  // Within the repository, so that packages which are left out of the bundle are found.
  const folder = mkdtempSync(join(root, 'node_modules', '.transferkit-resume-'));
  const path = join(folder, 'program.mjs');
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  await build({
    entryPoints: [join(root, `test/training/${name}.ts`)],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    tsconfig: join(root, 'tsconfig.json'),
    alias: { '#runtime': join(root, 'src/runtimes/node.ts') },
    packages: 'external',
    logLevel: 'error',
  }).catch((error: unknown) => {
    remove();
    throw error;
  });
  return { path, remove };
}

/** How one start of the program ended. */
export interface Ending {
  readonly code: number | null;
  readonly killed: boolean;
  readonly events: readonly string[];
  readonly errors: string;
}

/** When to kill: after so many events, and then so many milliseconds. */
export interface Moment {
  readonly events: number;
  readonly milliseconds: number;
  /** Count only events of this type. */
  readonly type?: string;
}

/** Starts the program once. */
export function start(program: string, request: ResumeRequest, moment?: Moment): Promise<Ending> {
  const child = spawn(process.execPath, [program, JSON.stringify(request)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const events: string[] = [];
  let errors = '';
  let killed = false;
  const kill = (): void => void (killed = child.kill('SIGKILL') || killed);
  const count = (): number => events.filter((type) => moment?.type === undefined || type === moment.type).length;
  let armed = moment !== undefined;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    events.push(...text.split('\n').filter((line) => line !== ''));
    if (!armed || moment === undefined || count() < moment.events) return;
    armed = false;
    setTimeout(kill, moment.milliseconds);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, killed: killed && code === null, events, errors }));
  });
}

/** A random moment: a few events into the run, so that it goes on at all, and at any point of a step or of writing. */
const randomMoment = (random: Random): Moment => ({ events: 3 + random.integer(12), milliseconds: random.integer(12) });

/** Kills and starts again until the program ends by itself, or was killed so often. @returns how often it was killed */
export async function killUntilDone(program: string, request: ResumeRequest, seed: number, mostKills: number): Promise<number> {
  const random = createRandom(seed);
  for (let kills = 0; ; kills++) {
    const ending = await start(program, request, kills < mostKills ? randomMoment(random) : undefined);
    if (ending.killed) continue;
    if (ending.code === 0) return kills;
    throw new Error(`the program failed after ${kills} kills: ${ending.errors}`);
  }
}

/** What the program wrote when it came to its end. */
export const resultOf = (request: ResumeRequest): { epochs: unknown[]; weights: Record<string, string> } =>
  JSON.parse(readFileSync(request.result, 'utf8'));
