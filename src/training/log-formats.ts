import type { TrainingEvent } from './events.js';

/** Forms of a log. */
export type LogFormat = 'jsonl' | 'csv';

interface Format {
  /** What is written down where the caller does not say. */
  readonly every: 'step' | 'epoch';
  /** The first line; empty where there is none. */
  header(figures: readonly string[]): string;
  /** The line of an event with its end, or undefined where it has none. */
  line(event: TrainingEvent, figures: readonly string[], time: Date): string | undefined;
  /** Whether a file that starts so was written in this form. */
  isOwn(start: string): boolean;
}

/** Tokens and what stands beside addresses: passwords, signatures. A log is copied and sent around. */
const withoutSecrets = (text: string): string =>
  text
    .replace(/\b(hf_|gh[pousr]_|sk-)[\w-]{8,}/g, '$1...')
    .replace(/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, '$1 ...')
    .replace(/(\b[a-z][\w+.-]*:\/\/)[^\s/@]*@/gi, '$1')
    .replace(/(\bhttps?:\/\/[^\s?"']*)\?[^\s"']*/gi, '$1');

/** What an event says in a log; undefined where it is noise. */
function content(event: TrainingEvent): object | undefined {
  if (event.type === 'features') return undefined;
  if (event.type === 'epoch') return { type: 'epoch', ...event.record };
  if (event.type === 'end') return { type: 'end', ...event.history, epochs: event.history.epochs.length };
  return event;
}

const jsonl: Format = {
  every: 'step',
  header: () => '',
  line(event, _figures, time) {
    const said = content(event);
    if (said === undefined) return undefined;
    const replacer = (_key: string, value: unknown): unknown => (typeof value === 'string' ? withoutSecrets(value) : value);
    return `${JSON.stringify({ time: time.toISOString(), ...said }, replacer)}\n`;
  },
  isOwn: (start) => /^\{"time":"[^"]+","type":"/.test(start),
};

type Cell = string | number | undefined;

/** @source RFC 4180 */
const quoted = (cell: Cell): string => {
  const text = cell === undefined ? '' : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const row = (cells: readonly Cell[]): string => `${cells.map(quoted).join(',')}\r\n`;

const header = (figures: readonly string[]): string =>
  row(['time', 'type', 'phase', 'epoch', 'step', ...figures, ...figures.map((name) => `validation ${name}`), 'learning rate', 'seconds']);

/** Only a table of what has figures: steps and epochs. */
function cellsOf(event: TrainingEvent, figures: readonly string[]): Cell[] | undefined {
  if (event.type === 'step') {
    const { phase, epoch, step, learningRate } = event;
    return [
      'step',
      phase,
      epoch,
      step,
      ...figures.map((name) => event.figures[name]),
      ...figures.map(() => undefined),
      learningRate,
      undefined,
    ];
  }
  if (event.type !== 'epoch') return undefined;
  const { record } = event;
  const own = record as unknown as Readonly<Record<string, number | undefined>>;
  const judged: Readonly<Record<string, number | undefined>> = record.validation ?? {};
  const values = [...figures.map((name) => own[name]), ...figures.map((name) => judged[name])];
  return ['epoch', record.phase, record.epoch, undefined, ...values, record.learningRate, record.seconds];
}

const csv: Format = {
  every: 'epoch',
  header,
  line(event, figures, time) {
    const cells = cellsOf(event, figures);
    return cells && row([time.toISOString(), ...cells]);
  },
  // A table of other figures may be replaced by a new run, as long as it is one of ours.
  isOwn: (start) => start.startsWith('time,type,phase,epoch,step,'),
};

/** How events become lines, by the form of the log. */
export const formats: Readonly<Record<LogFormat, Format>> = { jsonl, csv };
