/** Text for a terminal: titles, columns and bars, in colour where a person looks at one. */

const width = 92;
const coloured = process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
const style =
  (code: string) =>
  (text: string): string =>
    coloured ? `\u001b[${code}m${text}\u001b[0m` : text;

export const bold = style('1');
export const faint = style('2');
export const good = style('32');
export const poor = style('31');
const accent = style('36');

export const say = (...lines: string[]): void => console.log(lines.join('\n'));

/** A heading with a line that reaches to the edge. */
export const heading = (text: string): void =>
  say('', `${accent('──')} ${bold(text)} ${accent('─'.repeat(Math.max(2, width - text.length - 4)))}`, '');

/** A free line above a progress bar, where one will be drawn. */
export const spaceForBar = (): void => {
  if (process.stderr.isTTY) say('');
};

/** A line above a table or a list. */
export const caption = (text: string): void => say('', bold(text));

export const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** Breaks a text into lines that fit: the first starts with `first`, the others with `hang`. */
export function wrap(text: string, first = '', hang = first): string {
  const lines = [first];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line.length + word.length < width) lines[lines.length - 1] = line.trim() === '' || line === first ? line + word : `${line} ${word}`;
    else lines.push(hang + word);
  }
  return lines.join('\n');
}

/** Moves every line of a block to the right. */
export const indent = (block: string): string => block.replace(/^(?=.)/gm, '  ');

/** A share as a bar of up to `length` blocks; eighths of a block are drawn too. */
export function bar(share: number, length = 30): string {
  const eighths = Math.round(share * length * 8);
  const rest = ' ▏▎▍▌▋▊▉'[eighths % 8]!.trim();
  return ('█'.repeat(Math.floor(eighths / 8)) + rest).padEnd(length);
}

/** Shortens a text to fit a column. */
export const cut = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 3).trimEnd()}...`);
