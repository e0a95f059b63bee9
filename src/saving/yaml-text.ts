/** Words that YAML (1.1 or 1.2) reads as something else than text. */
const reserved = new Set(['y', 'n', 'yes', 'no', 'true', 'false', 'on', 'off', 'null']);
/** Characters that JSON leaves as they are and that YAML takes for a line break or refuses. */
const awkward = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** Half of a character; no file in UTF-8 can hold it. */
const loneSurrogate = /\p{Surrogate}/gu;

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** A text as a YAML scalar: plain where that is safe, else in double quotes. */
export function yamlText(text: string): string {
  const plain = /^[a-z][a-z0-9]*(?:[-_/.][a-z0-9]+)*$/.test(text) && !reserved.has(text);
  return plain ? text : JSON.stringify(text.replace(loneSurrogate, '\ufffd')).replace(awkward, escaped);
}

/** What the front matter of a model card is made of. Undefined members are left out. */
export type YamlValue = string | number | readonly YamlValue[] | { readonly [key: string]: YamlValue | undefined };

/** A value as YAML in block style, its first line without indentation. */
export function yaml(value: YamlValue, indent = ''): string {
  if (typeof value === 'string') return yamlText(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '.nan';
  if (Array.isArray(value)) return (value as readonly YamlValue[]).map((item) => `- ${yaml(item, `${indent}  `)}`).join(`\n${indent}`);
  const members = Object.entries(value as { readonly [key: string]: YamlValue | undefined });
  return members
    .flatMap(([key, member]) => (member === undefined ? [] : [`${yamlText(key)}:${nested(member, indent)}`]))
    .join(`\n${indent}`);
}

/** A member's value behind its colon: on the same line when it is a scalar, else on lines of its own. */
function nested(member: YamlValue, indent: string): string {
  return typeof member === 'object' ? `\n${indent}  ${yaml(member, `${indent}  `)}` : ` ${yaml(member)}`;
}
