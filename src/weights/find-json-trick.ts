/** Deepest nesting of objects that any weight file header has a use for is 2; more than this is an attack on the parser. */
const maxDepth = 8;

/** Index just after the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length && text[index] !== '"') index += text[index] === '\\' ? 2 : 1;
  return index + 1;
}

/** `"caf\u00e9"` and `"café"` are one key. Text that is no JSON string is left to the real parser to refuse. */
function keyOf(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    return literal;
  }
}

/**
 * Finds what `JSON.parse` hides: a key that occurs twice in one object (the parser keeps the last and says nothing), and nesting
 * without end. Knows just enough of the grammar; run `JSON.parse` afterwards for the rest.
 * @returns a description of the problem, or undefined.
 */
export function findJsonTrick(text: string): string | undefined {
  const keysByDepth: (Set<string> | undefined)[] = [];
  let literal = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '"') {
      const end = endOfString(text, index);
      literal = text.slice(index, end);
      index = end - 1;
    } else if (character === ':') {
      const keys = keysByDepth.at(-1);
      const key = keyOf(literal);
      if (keys?.has(key)) return `the key ${JSON.stringify(key)} twice in one object`;
      keys?.add(key);
    } else if (character === '{' || character === '[') {
      keysByDepth.push(character === '{' ? new Set() : undefined);
      if (keysByDepth.length > maxDepth) return `nesting deeper than ${maxDepth} levels`;
    } else if (character === '}' || character === ']') keysByDepth.pop();
  }
  return undefined;
}
