import { TransferKitError } from '../errors.js';
import { nearestName } from '../common/nearest-name.js';

/** Names that people give to the column of texts, in lower case. */
const textNames = [
  'text',
  'sentence',
  'body',
  'content',
  'review',
  'comment',
  'message',
  'question',
  'query',
  'utterance',
  'tweet',
  'document',
];

/** Names that people give to the column of labels, in lower case. */
const labelNames = ['label', 'labels', 'category', 'class', 'intent', 'sentiment', 'target', 'topic', 'tag'];

/** Pairs of columns that belong together. */
const pairNames = [
  ['sentence1', 'sentence2'],
  ['text1', 'text2'],
  ['question1', 'question2'],
  ['premise', 'hypothesis'],
  ['question', 'context'],
] as const;

/** Which columns are read. */
export interface TableColumns {
  /** One column, or two whose texts belong together. */
  readonly text: string | readonly [string, string];
  readonly target: string;
  /** Absent where all rows count alike. */
  readonly weight?: string;
}

/** What the caller said of the columns. */
export interface WantedColumns {
  readonly text: string | readonly [string, string] | undefined;
  readonly target: string | undefined;
  /** Never guessed: a column of numbers may be anything. */
  readonly weight?: string | undefined;
}

const list = (columns: readonly string[]): string => columns.map((column) => JSON.stringify(column)).join(', ');

function missingColumn(wanted: string, columns: readonly string[], origin: string): TransferKitError {
  const nearest = nearestName(wanted, columns);
  const hint = nearest === undefined ? '' : ` Did you mean ${JSON.stringify(nearest)}?`;
  return new TransferKitError(
    'bad-data',
    `${origin} has no column ${JSON.stringify(wanted)}.${hint}\n  Columns: ${list(columns)}\n  Fix: name a column that is there: { text: ..., label: ... }.`,
    {
      details: { origin, column: wanted, columns, nearest },
    },
  );
}

function cannotGuess(role: string, columns: readonly string[], origin: string): TransferKitError {
  return new TransferKitError(
    'bad-data',
    `cannot tell which column of ${origin} holds the ${role}.\n  Columns: ${list(columns)}\n  Fix: name them: table(${JSON.stringify(origin)}, { text: ..., label: ... }).`,
    { details: { origin, role, columns } },
  );
}

/** The columns whose names are in a list; one of them alone is a safe guess. */
function onlyNamed(columns: readonly string[], names: readonly string[]): string | undefined {
  const found = columns.filter((column) => names.includes(column.toLowerCase()));
  return found.length === 1 ? found[0] : undefined;
}

/** Of two columns, where one is known, the other. */
function otherOfTwo(columns: readonly string[], known: string | undefined): string | undefined {
  return columns.length === 2 && known !== undefined ? columns.find((column) => column !== known) : undefined;
}

function guessPair(columns: readonly string[]): readonly [string, string] | undefined {
  return pairNames.find((pair) => pair.every((name) => columns.includes(name)));
}

/**
 * Decides which columns are read: those that were named, else those whose names leave no doubt.
 * @throws TransferKitError `bad-data` listing the columns that there are.
 */
export function chooseColumns(wanted: WantedColumns, columns: readonly string[], origin: string): TableColumns {
  const named = [wanted.text ?? [], wanted.target ?? [], wanted.weight ?? []].flat();
  for (const name of named) if (!columns.includes(name)) throw missingColumn(name, columns, origin);
  const free = columns.filter((column) => !named.includes(column));
  const knownText = wanted.text ?? guessPair(free) ?? onlyNamed(free, textNames);
  const single = typeof knownText === 'string' ? knownText : undefined;
  const roles = columns.filter((column) => column !== wanted.weight);
  const target = wanted.target ?? onlyNamed(free, labelNames) ?? otherOfTwo(roles, single);
  const text = knownText ?? otherOfTwo(roles, target);
  if (text === undefined) throw cannotGuess('texts', columns, origin);
  if (target === undefined) throw cannotGuess('labels', columns, origin);
  return { text, target, ...(wanted.weight === undefined ? {} : { weight: wanted.weight }) };
}
