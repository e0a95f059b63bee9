import { TransferKitError } from '../errors.js';
import type { JsonObject, JsonValue } from '../common/json.js';

/** Most lines that a vocabulary may have. */
const mostLines = 4_000_000;

/** A special token's text: given plainly, or as an object with `content`. */
function tokenText(value: JsonValue | undefined, fallback: string): string {
  if (typeof value === 'string') return value;
  const content = typeof value === 'object' && value !== null ? (value as JsonObject)['content'] : undefined;
  return typeof content === 'string' ? content : fallback;
}

/** Token ids by token: a line's number is its token's id. */
function readVocabulary(bytes: Uint8Array): Map<string, number> {
  const lines = new TextDecoder().decode(bytes).split(/\r\n|\n|\r/);
  if (lines.at(-1) === '') lines.pop();
  if (lines.length === 0 || lines.length > mostLines) {
    throw new TransferKitError(
      'corrupt-file',
      `vocab.txt has ${lines.length} lines; expected 1 to ${mostLines}, one token each.\n  Fix: download the file again.`,
    );
  }
  return new Map(lines.map((line, index) => [line, index]));
}

/**
 * The `tokenizer.json` of a BERT tokenizer that came with nothing but its vocabulary.
 *
 * @param vocabulary contents of `vocab.txt`, one token a line
 * @param config `tokenizer_config.json`, empty where there is none: `do_lower_case` (true), `strip_accents`, `tokenize_chinese_chars`
 * @throws TransferKitError `corrupt-file` when the vocabulary is empty, too long or lacks a special token
 */
export function wordPieceFromVocabulary(vocabulary: Uint8Array, config: JsonObject): JsonObject {
  const ids = readVocabulary(vocabulary);
  const names = { unk: '[UNK]', cls: '[CLS]', sep: '[SEP]', pad: '[PAD]', mask: '[MASK]' };
  const special = Object.fromEntries(Object.entries(names).map(([role, name]) => [role, tokenText(config[`${role}_token`], name)]));
  const required = [special['unk']!, special['cls']!, special['sep']!];
  const missing = required.filter((token) => !ids.has(token));
  if (missing.length > 0)
    throw new TransferKitError(
      'corrupt-file',
      `vocab.txt lacks ${missing.join(', ')}: expected the vocabulary of a BERT tokenizer.\n  Fix: add tokenizer.json, or name the special tokens in tokenizer_config.json.`,
      { details: { missing } },
    );
  return {
    added_tokens: Object.values(special)
      .filter((token) => ids.has(token))
      .map((content) => ({
        id: ids.get(content)!,
        content,
        special: true,
        normalized: false,
        single_word: false,
        lstrip: false,
        rstrip: false,
      })),
    normalizer: bertNormalizerJson(config),
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'BertProcessing',
      cls: [special['cls']!, ids.get(special['cls']!)!],
      sep: [special['sep']!, ids.get(special['sep']!)!],
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: special['unk']!,
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
}

function bertNormalizerJson(config: JsonObject): JsonObject {
  return {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: config['tokenize_chinese_chars'] !== false,
    strip_accents: typeof config['strip_accents'] === 'boolean' ? config['strip_accents'] : null,
    lowercase: config['do_lower_case'] !== false,
  };
}
