import { runtime as hereRuntime } from '#runtime';
import { TransferKitError } from '../errors.js';
import type { Runtime } from '../runtimes/runtime.js';
import { checkOptions } from './check-options.js';
import { createDataset } from './create-dataset.js';
import type { DataItem, Dataset, OnBadItem, SkippedItem, TextInput } from './dataset.js';
import { isWeight, weightExpected } from './item-weight.js';
import { guessDelimiter, guessFormat, readDelimited, readJson, readJsonLines, type Row, type Rows } from './read-rows.js';
import { readTableText, type TableSource } from './read-table-text.js';
import { chooseColumns, type TableColumns } from './table-columns.js';

/** Settings of `table`. */
export interface TableOptions {
  /** Column of the texts, or two columns whose texts belong together. Guessed where the names leave no doubt. */
  readonly text?: string | readonly [string, string];
  /** Column of the labels. Guessed where the names leave no doubt. */
  readonly label?: string;
  /** Column of numbers from 0 on: how much each row counts in the training loss. Default: all alike. */
  readonly weight?: string;
  /** What separates cells: `,` `;` tab or `|`. Default: what the header uses. */
  readonly delimiter?: string;
  /** What to do with a row that cannot be used. Default `error`. */
  readonly onBadItem?: OnBadItem;
  /** Largest size in bytes. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Where to read. Default: the place this code runs in. */
  readonly runtime?: Runtime;
}

/** Settings of `table` when the targets are numbers. */
export interface NumberTableOptions extends Omit<TableOptions, 'label'> {
  /** Column of the numbers to be predicted. */
  readonly target: string;
}

type Cell = string | number;
const defaultMaxBytes = 256 * 1024 ** 2;

const isCell = (value: unknown): value is Cell | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** The text of a cell, or undefined where there is none. */
function textOf(row: Row, column: string): string | undefined {
  const value = row.cells[column];
  return isCell(value) && String(value).trim() !== '' ? String(value) : undefined;
}

function numberOf(row: Row, column: string): number | undefined {
  const number = Number(textOf(row, column) ?? Number.NaN);
  return Number.isFinite(number) ? number : undefined;
}

function inputOf(row: Row, { text }: TableColumns): TextInput | undefined {
  if (typeof text === 'string') return textOf(row, text);
  const [first, second] = [textOf(row, text[0]), textOf(row, text[1])];
  return first === undefined || second === undefined ? undefined : [first, second];
}

/** How the target of a row is read, and what it should have been. */
interface TargetReader {
  readonly read: (row: Row, column: string) => Cell | undefined;
  readonly expected: string;
}

/** Reads labels. Equal ones are one string: each cell is a string of its own, and keeps hold of the text of the file. */
function labelReader(): TargetReader {
  const known = new Map<string, string>();
  const same = (label: string): string => known.get(label) ?? (known.set(label, label), label);
  const read = (row: Row, column: string): string | undefined => {
    const label = textOf(row, column)?.trim();
    return label && same(label);
  };
  return { read, expected: 'a label' };
}

const numberReader: TargetReader = { read: numberOf, expected: 'a number' };

const received = (row: Row, column: string): string => (row.cells[column] === undefined ? 'nothing' : JSON.stringify(row.cells[column]));

/** The weight of a row as a member of its item, or why it has none. */
function weightOf(row: Row, column: string | undefined): { readonly weight?: number } | string {
  if (column === undefined) return {};
  const weight = numberOf(row, column);
  return isWeight(weight) ? { weight } : `column "${column}" holds ${received(row, column)} instead of ${weightExpected}`;
}

function itemOf(row: Row, columns: TableColumns, reader: TargetReader): DataItem<'text', Cell> | string {
  if (row.problem !== undefined) return row.problem;
  const input = inputOf(row, columns);
  if (input === undefined) return `its text is empty (column ${[columns.text].flat().join(', ')})`;
  const target = reader.read(row, columns.target);
  if (target === undefined) return `column "${columns.target}" holds ${received(row, columns.target)} instead of ${reader.expected}`;
  const weight = weightOf(row, columns.weight);
  return typeof weight === 'string' ? weight : { id: `row ${row.number}`, input, target, ...weight };
}

function badRow(origin: string, id: string, reason: string): TransferKitError {
  return new TransferKitError(
    'bad-data',
    `${id} of ${origin} cannot be used: ${reason}.\n  Fix: correct the row, or pass { onBadItem: 'skip' } to leave out such rows.`,
    { details: { origin, id, reason } },
  );
}

async function readRows(text: string, origin: string, delimiter: string | undefined): Promise<Rows> {
  const format = delimiter === undefined ? guessFormat(text) : 'delimited';
  if (format === 'json-lines') return readJsonLines(text);
  if (format === 'json') return readJson(text, origin);
  return readDelimited(text, delimiter ?? guessDelimiter(text), origin);
}

function collect({ rows, columns }: Rows, options: TableOptions & { target?: string }, origin: string): Dataset<'text', Cell> {
  const { onBadItem = 'error' } = options;
  const chosen = chooseColumns({ text: options.text, target: options.label ?? options.target, weight: options.weight }, columns, origin);
  const reader = options.target === undefined ? labelReader() : numberReader;
  const items: DataItem<'text', Cell>[] = [];
  const skipped: SkippedItem[] = [];
  for (const row of rows) {
    const item = itemOf(row, chosen, reader);
    if (typeof item !== 'string') items.push(item);
    else if (onBadItem === 'skip') skipped.push({ id: `row ${row.number}`, reason: item });
    else throw badRow(origin, `row ${row.number}`, item);
  }
  return createDataset({ modality: 'text', items, origin, skipped, onBadItem });
}

function emptyTable(origin: string, skipped: number, found = 'no row below the header'): TransferKitError {
  const received = skipped === 0 ? found : `no usable row; ${skipped} were left out`;
  return new TransferKitError(
    'bad-data',
    `${origin} holds no examples.\n  Expected: a header and at least one row.\n  Received: ${received}.`,
    {
      details: { origin, skipped },
    },
  );
}

/**
 * A data set from a table of texts: CSV, TSV, JSON Lines or a JSON array, as a path, as text with line breaks, or as a Blob or bytes.
 * The kind is told by the content. With `target` instead of `label` the targets are numbers.
 *
 * @throws TransferKitError `not-found`; `bad-data` for a missing column (listing those there are), an unusable row or no rows;
 *   `corrupt-file` for bytes that are not text; `too-large`; `bad-option`
 * @example
 * ```ts
 * import { table } from 'transferkit/data';
 *
 * const tickets = await table('tickets.csv', { text: 'body', label: 'team' });
 * const pairs = await table('sts.csv', { text: ['sentence1', 'sentence2'], target: 'score' }); // numbers
 * ```
 */
export async function table(source: TableSource, options: NumberTableOptions): Promise<Dataset<'text', number>>;
export async function table(source: TableSource, options?: TableOptions): Promise<Dataset<'text', string>>;
export async function table(source: TableSource, options: TableOptions & { target?: string } = {}): Promise<Dataset<'text', Cell>> {
  checkOptions('table()', options, ['text', 'label', 'target', 'weight', 'delimiter', 'onBadItem', 'maxBytes', 'runtime']);
  if (options.label !== undefined && options.target !== undefined) {
    throw new TransferKitError('bad-option', 'table() takes label (strings) or target (numbers), not both.');
  }
  const { runtime = hereRuntime, maxBytes = defaultMaxBytes } = options;
  const { text, origin } = await readTableText(source, runtime, maxBytes);
  const rows = await readRows(text, origin, options.delimiter);
  if (rows.columns.length === 0) throw emptyTable(origin, 0, 'nothing');
  const dataset = collect(rows, options, origin);
  if (dataset.length === 0) throw emptyTable(origin, dataset.skipped.length);
  return dataset;
}
