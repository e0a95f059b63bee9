import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

const built = (path: string): string => JSON.stringify(pathToFileURL(resolve(import.meta.dirname, '../../dist', path)).href);

/** Flags of the process, such as --input-type, must not reach the workers: Node would refuse to start them. */
const run = (program: string): string =>
  execFileSync('node', ['--input-type=module', '-e', program], { cwd: tmpdir(), encoding: 'utf8', timeout: 120_000 }).trim();

test.each(['worker: true', 'workers: 2', 'worker: true, workers: 2'])(
  'the built package finds the program of its workers: %s',
  (option) => {
    const program = `
    import { fineTune } from ${built('index.js')};
    import { tinyModel, tinySamples } from ${built('testing.js')};
    import { bert } from ${built('backbones/bert.js')};
    import { runtime } from ${built('runtimes/node.js')};
    const losses = async (options) => {
      const { history } = await fineTune(await tinyModel(bert, runtime), tinySamples(bert), { epochs: 2, progress: false, cache: false, ...options });
      return JSON.stringify(history.epochs.map(({ loss }) => loss));
    };
    console.log((await losses({ ${option} })) === (await losses({})));
  `;
    expect(run(program)).toBe('true');
  },
);
