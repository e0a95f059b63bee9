import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { progress } from '../../src/runtimes/node/progress.js';
import { runtime } from '../../src/runtimes/node.js';

function terminal(isTTY: boolean) {
  const stream = Object.assign(new PassThrough(), {
    isTTY,
    columns: 120,
    rows: 20,
    cursorTo: () => true,
    clearLine: () => true,
    moveCursor: () => true,
  });
  let shown = '';
  stream.on('data', (part: Buffer) => (shown += part.toString()));
  return { stream, shown: () => shown };
}

const soon = (): Promise<void> => new Promise((done) => setTimeout(done, 50));

describe('progress', () => {
  it('draws a bar where a person is watching', async () => {
    const { stream, shown } = terminal(true);
    const bar = progress('training', stream, () => import('cli-progress'))!;
    bar.update(0.25, 'epoch 1');
    await soon();
    bar.update(7, 'epoch 2');
    bar.stop();
    await soon();
    expect(shown()).toContain('training');
    expect(shown()).toContain('25% epoch 1');
    expect(shown()).toContain('100% epoch 2');
    const length = shown().length;
    bar.update(0.5, 'late');
    bar.stop();
    expect(shown()).toHaveLength(length);
  });

  it('draws nothing after stop, and nothing without its package', async () => {
    const { stream, shown } = terminal(true);
    progress('short', stream)!.stop();
    progress('missing', stream, () => Promise.reject(new Error('not installed')))!.update(1, 'x');
    await soon();
    expect(shown()).toBe('');
  });

  it('is undefined where nobody is watching', () => {
    expect(progress('x', terminal(false).stream)).toBeUndefined();
    if (!process.stderr.isTTY) expect(runtime.progress('x')).toBeUndefined();
  });
});
