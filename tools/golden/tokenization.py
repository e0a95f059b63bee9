"""WordPiece tokenizers, lower-casing and not, on texts that are hard on tokenizers."""

import json
from importlib.metadata import version

import numpy as np
from tokenizers import Tokenizer

from bert import tokenizer_for
from golden_case import Case, write_json
from vocabulary import PAIRS, TEXTS, vocabulary


def nasty_texts():
    """About two hundred texts: written out where a person thinks of them, drawn where not."""
    written = [
        *TEXTS, " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u0000", "\u0000the\u0000red\u0000", "a\u0000b", "\u0007bell", "\u007fdelete", "\u0085next line",
        "\u00adsoft\u00adhyphen", "the\u200dred\u200crose", "\u202eright to left\u202c", "\ufffd", "the\ufffdred", "\U000e0001tag", "\ue000private\ue001", "\ud7ff\ue000", "\U0010ffff", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "👍🏽", "🏳️‍🌈", "🇩🇪", "❤️", "❤", "☺", "1️⃣", "😀😀the😀", "a😀b", "😀 😀", "é", "e\u0301", "É", "E\u0301", "ñ", "n\u0303", "Å", "Å", "A\u030a", "ﬁne", "ﬀ", "ß", "ẞ", "STRASSE", "İ", "ı", "I", "i\u0307", "İstanbul",
        "ΑΣ", "ΑΣ ΑΣΑ", "ς", "Ǆ", "ǅ", "ǆ", "Ω", "K", "Å", "½", "①", "²", "x²", "ⅷ", "Ⅷ", "ａｂｃ", "ＡＢＣ", "！？", "，。", "「東京」", "東京タワー", "ひらがな", "カタカナ", "ｶﾀｶﾅ", "한국어", "한", "\u1112\u1161\u11ab", "한국 the", "中a文b", "a中", "中a", "㐀", "𠀀", "豈", "々", "〇", "々々",
        "привет", "Привет я", "я", "яя", "й", "и\u0306", "ё", "עברית", "שָׁלוֹם", "العربية", "مُحَمَّد", "हिन्दी", "ไทย", "ไทยไทย", "မြန်မာ", "ქართული", "Ⴀ", "Ꭰ", "ꭰ", "ǰ", "ŉ", "ΐ", "և",
        "!", "!!", "!?!?", "...", "…", "--", "—", "–", "‐", "a-b", "a–b", "a—b", "'", "''", "’", "don't", "don’t", "rock'n'roll", "\"the\"", "“the”", "«the»", "(the)", "[the]", "{the}", "<the>", "a/b", "a\\b", "a|b", "a_b", "a^b", "a`b", "a~b", "a=b", "a+b", "a<b>c", "$5", "£5", "€5", "¥5", "5%", "5‰", "5°", "#tag", "@user", "a&b", "a*b", "©", "®", "™", "§", "¶", "†", "•", "·", "¿no?", "¡ay!",
        "http://example.com/a?b=c#d", "me@example.com", "C:\\film\\one.txt", "3.14159", "1,234,567.89", "1e-5", "0x1F", "12:34:56", "2024-01-31", "v1.2.3-rc.1", "١٢٣", "१२३",
        "[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]", "[cls]", "[ CLS ]", "[CLS][SEP]", "the[MASK]red", "the [MASK]red", "the[MASK] red", "[[MASK]]", "[MASK", "MASK]", "[mask]", "x[SEP]y", "##s", "##", "#", "the##s", "## ing",
        "the" * 30, "a" * 100, "a" * 101, "ab" * 50, "ab" * 51, "z" * 99 + "é", "z" * 100 + "e\u0301", "the " * 60, "singing", "singinging", "unable", "unsing", "xylophone", "Xylophone", "XYLOPHONE", "THE RED ROSE", "ThE", "tHe", "THE1", "the1", "the1the", "1the", "one2three",
        "the\tred", "the\nred", "the\rred", "the\u000bred", "the\u000cred", "the\u001fred", "the\u00a0red", "the\u1680red", "the\u2003red", "the\u2028red", "the\u2029red", "the\u202fred", "the\u205fred", "the\u3000red", "the\u180ered", "the\u2060red",
    ]  # fmt: skip
    return list(dict.fromkeys([*written, *drawn_texts(60)]))


def drawn_texts(count):
    """Random code points of all planes beside known words; no surrogates."""
    random = np.random.default_rng(500)
    ranges = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x1E00, 0x2100), (0x2100, 0x2C00), (0x3000, 0x3100), (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xFE00, 0xFFFE), (0x1F300, 0x1F700)]
    texts = []
    for _ in range(count):
        signs = [chr(random.integers(*ranges[random.integers(len(ranges))])) for _ in range(random.integers(1, 9))]
        words = [str(word) for word in random.choice(vocabulary()[5:60], 2)]
        texts.append("".join(random.permutation([*signs, *words, " "])))
    return texts


def make_tokenization():
    texts = nasty_texts()
    for name, cased in (("lower-case", False), ("cased", True)):
        case = Case("tokenization", name)
        tokenizer_for(case.checkpoint, cased, max_length=32)
        reference = Tokenizer.from_file(str(case.checkpoint / "tokenizer.json"))
        reference.no_truncation()
        reference.no_padding()
        rows = [{"text": text, "ids": reference.encode(text).ids, "bare": reference.encode(text, add_special_tokens=False).ids} for text in texts]
        pairs = [{"texts": pair, "ids": encoded.ids, "type_ids": encoded.type_ids} for pair in PAIRS for encoded in [reference.encode(*pair)]]
        write_lines(case.folder / "expected.json", {"texts": rows, "pairs": pairs})
        describe(case, cased, len(rows))


def write_lines(path, lists):
    """One entry a line, so that a change shows as one line."""
    body = ",\n".join(f'"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "\n]" for name, rows in lists.items())
    path.write_text("{\n" + body + "\n}\n", encoding="utf-8")


def describe(case, cased, count):
    normaliser = "cased" if cased else "lower-casing, accents stripped"
    write_json(case.folder / "case.json", {
        "description": f"WordPiece with the normaliser of BERT, {normaliser}, {count} texts, no truncation",
        "reference": {"tokenizers": version("tokenizers"), "transformers": version("transformers")},
        "inputs": "expected.json: texts[].text and pairs[].texts",
        "outputs": {"texts[].ids": "with [CLS] and [SEP]", "texts[].bare": "without special tokens around", "pairs[].ids": "token ids", "pairs[].type_ids": "0 and 1"},
    })  # fmt: skip
    size = sum(file.stat().st_size for file in case.folder.rglob("*") if file.is_file())
    print(f"tokenization/{case.folder.name}  {size / 1000:.0f} kB, {count} texts")
