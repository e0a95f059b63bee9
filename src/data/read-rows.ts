import { TransferKitError } from '../errors.js';

/** One row of a table. */
export interface Row {
  /** 1 for the first line of a spreadsheet, so the first row below the header is 2. In JSONL the line number. */
  readonly number: number;
  readonly cells: Readonly<Record<string, unknown>>;
  /** Why the row cannot be used, if it cannot. */
  readonly problem?: string;
}

/** A table in memory: column names and rows. */
export interface Rows {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** How a table is written down. */
export type TableFormat = 'delimited' | 'json-lines' | 'json';

const delimiters = [',', '\t', ';', '|'];

/** The format by its first character: JSON says what it is, everything else is delimited. */
export function guessFormat(text: string): TableFormat {
  const first = text.trimStart()[0];
  return first === '{' ? 'json-lines' : first === '[' ? 'json' : 'delimited';
}

/** The delimiter that occurs most in the header line, quoted parts left out. */
export function guessDelimiter(text: string): string {
  const header = (/^(?:"(?:[^"]|"")*"|[^\r\n"])*/.exec(text)?.[0] ?? '').replace(/"(?:[^"]|"")*"/g, '');
  const counts = delimiters.map((delimiter) => ({ delimiter, count: header.split(delimiter).length }));
  return counts.sort((a, b) => b.count - a.count)[0]!.delimiter;
}

function checkColumns(columns: readonly string[], origin: string): void {
  const twice = columns.find((column, index) => columns.indexOf(column) !== index);
  if (twice === undefined) return;
  throw new TransferKitError(
    'bad-data',
    `the header of ${origin} has the column ${JSON.stringify(twice)} twice.\n  Fix: rename one of them.`,
    {
      details: { origin, column: twice },
    },
  );
}

/** Why the cells of a line do not fit the header. */
function lineProblem(cells: readonly string[], columns: readonly string[], unclosed: boolean): { problem?: string } {
  if (unclosed) return { problem: 'a quote in it is never closed or is followed by text; inside a quoted cell a quote is written twice' };
  if (cells.length !== columns.length) return { problem: `it has ${cells.length} cells and the header has ${columns.length}` };
  return {};
}

/**
 * Reads CSV, TSV and the like: RFC 4180, with quoted delimiters, quotes and line breaks.
 * @throws TransferKitError `bad-data` for a header that names a column twice.
 */
export async function readDelimited(text: string, delimiter: string, origin: string): Promise<Rows> {
  const { default: papaparse } = await import('papaparse');
  const { data, errors } = papaparse.parse<string[]>(text, { delimiter, skipEmptyLines: false });
  const [header = [], ...lines] = data;
  const columns = header.map((column) => column.trim());
  checkColumns(columns, origin);
  const unclosed = new Set(errors.filter((error) => error.type === 'Quotes').map((error) => error.row));
  const rows: Row[] = [];
  lines.forEach((cells, index) => {
    if (cells.length === 1 && cells[0]!.trim() === '') return; // a blank line
    const byName = Object.fromEntries(columns.map((column, place) => [column, cells[place]]));
    rows.push({ number: index + 2, cells: byName, ...lineProblem(cells, columns, unclosed.has(index + 1)) });
  });
  return { columns, rows };
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function recordRow(value: unknown, number: number): Row {
  return isRecord(value) ? { number, cells: value } : { number, cells: {}, problem: 'it is not a JSON object' };
}

function parseLine(line: string, number: number): Row {
  try {
    return recordRow(JSON.parse(line), number);
  } catch {
    return { number, cells: {}, problem: `it is not JSON: ${line.slice(0, 40)}` };
  }
}

const columnsOf = (rows: readonly Row[]): string[] => [...new Set(rows.flatMap((row) => Object.keys(row.cells)))];

/** Reads one JSON object a line. */
export function readJsonLines(text: string): Rows {
  const rows: Row[] = [];
  text.split(/\r?\n/).forEach((line, index) => {
    if (line.trim() !== '') rows.push(parseLine(line, index + 1));
  });
  return { columns: columnsOf(rows), rows };
}

/** Reads one JSON array of objects. @throws TransferKitError `corrupt-file` */
export function readJson(text: string, origin: string): Rows {
  try {
    const list = JSON.parse(text) as unknown[];
    const rows = list.map((value, index) => recordRow(value, index + 1));
    return { columns: columnsOf(rows), rows };
  } catch (error) {
    throw new TransferKitError('corrupt-file', `${origin} begins like a JSON array and is not one.\n  ${String(error)}`, { cause: error });
  }
}
