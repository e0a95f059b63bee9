import type { ProgressDisplay } from '../runtime.js';

/** Where a bar may be drawn. */
interface Terminal extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

type BarModule = typeof import('cli-progress');

/** The bar appears once its package is there; what was reported until then is not lost. */
function drawBar(title: string, terminal: Terminal, load: () => Promise<BarModule>): ProgressDisplay {
  let latest: readonly [fraction: number, text: string] = [0, ''];
  let stopped = false;
  let bar: { update(value: number, payload: object): void; stop(): void } | undefined;
  const draw = async (): Promise<void> => {
    const module = await load();
    const { SingleBar } = 'default' in module ? (module.default as BarModule) : module;
    if (stopped) return;
    const options = {
      format: '{title} {bar} {percentage}% {text}',
      stream: terminal,
      hideCursor: true,
      barsize: 24,
      clearOnComplete: false,
    };
    const created = new SingleBar({ ...options, barCompleteChar: '#', barIncompleteChar: '.' });
    created.start(1, latest[0], { title, text: latest[1] });
    bar = created;
  };
  draw().catch(() => undefined); // without the package there is simply no bar
  return {
    update(fraction, text) {
      latest = [Math.min(1, Math.max(0, fraction)), text];
      bar?.update(latest[0], { title, text });
    },
    stop() {
      stopped = true;
      bar?.stop();
      bar = undefined;
    },
  };
}

/** A bar on the terminal that a person is watching (stderr, so that piped output stays clean); undefined where nobody is. */
export function progress(
  title: string,
  terminal: Terminal = process.stderr,
  load: () => Promise<BarModule> = () => import('cli-progress'),
): ProgressDisplay | undefined {
  return terminal.isTTY === true ? drawBar(title, terminal, load) : undefined;
}
