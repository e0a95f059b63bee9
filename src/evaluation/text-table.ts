/** Characters that a terminal shows two columns wide: East Asian scripts and emoji. */
const wide = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u;
/** Characters that take no column: combining marks and joiners. */
const invisible = /[\p{Mn}\p{Me}\p{Cf}]/u;
/** Control characters: line breaks would tear a table, escape sequences could do worse to a terminal. */
const control = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

const characterWidth = (character: string): number => (invisible.test(character) ? 0 : wide.test(character) ? 2 : 1);

/** How many columns a terminal needs for a text. */
export const displayWidth = (text: string): number => Array.from(text).reduce((sum, character) => sum + characterWidth(character), 0);

/** A text on one line, without control characters, cut to a width with an ellipsis. */
export function fitText(text: string, width: number): string {
  const clean = text.replace(control, ' ');
  if (displayWidth(clean) <= width) return clean;
  let cut = '';
  for (const character of clean) {
    if (displayWidth(cut) + characterWidth(character) > width - 1) break;
    cut += character;
  }
  return `${cut}…`;
}

const padding = (text: string, width: number): string => ' '.repeat(Math.max(0, width - displayWidth(text)));

/**
 * Rows of text as columns with two spaces between them: the first column left-aligned, the others right-aligned.
 * @param firstWidth the widest that the first column may become
 */
export function textTable(rows: readonly (readonly string[])[], firstWidth: number, gap = 2): string {
  const cells = rows.map((row) => row.map((cell, column) => (column === 0 ? fitText(cell, firstWidth) : cell)));
  const columns = Math.max(...cells.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, column) => Math.max(...cells.map((row) => displayWidth(row[column] ?? ''))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => (column === 0 ? cell + padding(cell, widths[0]!) : padding(cell, widths[column]!) + cell))
      .join(' '.repeat(gap));
  return cells.map((row) => line(row).trimEnd()).join('\n');
}
