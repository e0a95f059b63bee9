/** How a BERT tokenizer cleans text before it is split, with the field names of `tokenizer.json`. */
export interface BertNormalizerSettings {
  /** Drop control characters, make every white space a plain space. */
  readonly clean_text: boolean;
  /** Put spaces around CJK ideographs. */
  readonly handle_chinese_chars: boolean;
  /** Null: strip accents where text is lower-cased. */
  readonly strip_accents: boolean | null;
  readonly lowercase: boolean;
}

const plainText = /^[\x20-\x7e]*$/;
const dropped = /[\0\ufffd]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu;
const whiteSpace = /\p{White_Space}/gu;
const accents = /\p{Mn}/gu;

/** The blocks that the reference takes for Chinese characters; it leaves out the first 256 of the extension at U+2B820. */
const ideographs =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

/** Lower case of each character by itself, so that a sigma at the end of a word is not treated apart. */
function lowerCaseEach(text: string): string {
  let lowered = '';
  for (const character of text) lowered += character.toLowerCase();
  return lowered;
}

/**
 * The text cleaner of BERT tokenizers, with the results of the reference.
 *
 * The one in @huggingface/tokenizers differs for ideographs outside the basic plane and for a final sigma, and looks at each
 * character by several patterns, which makes it the slowest part of encoding; plain ASCII passes here at once.
 *
 * @source https://github.com/huggingface/tokenizers (tokenizers/src/normalizers/bert.rs)
 */
export function bertNormalizer(settings: BertNormalizerSettings): (text: string) => string {
  const stripAccents = settings.strip_accents ?? settings.lowercase;
  return (text) => {
    if (plainText.test(text)) return settings.lowercase ? text.toLowerCase() : text;
    let result = text;
    if (settings.clean_text) result = result.replace(dropped, '').replace(whiteSpace, ' ');
    if (settings.handle_chinese_chars) result = result.replace(ideographs, ' $& ');
    if (stripAccents) result = result.normalize('NFD').replace(accents, '');
    return settings.lowercase ? lowerCaseEach(result) : result;
  };
}
