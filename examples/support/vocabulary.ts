/** The special tokens of a word-piece vocabulary, in the order that BERT has them. */
const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/** Endings that let a known word be found in another form: `invoice` in `invoices`. */
const endings = ['s', 'd', 'ed', 'ing', 'er', 'ly', 'n', 'ion', 'ment', 'able'].map((ending) => `##${ending}`);

/** Words and marks of a text, in lower case. */
const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? [];

/** A word-piece vocabulary of all words of some texts. Words that are not in it are unknown. */
export const wordPieceVocabulary = (texts: readonly string[]): string[] => [
  ...new Set([...special, ...texts.flatMap(wordsOf), ...endings]),
];
