"""A WordPiece vocabulary of the words that are frequent in the corpus or in everyday English, lower-casing as BERT does."""

from collections import Counter
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from wordfreq import top_n_list, word_frequency

CHARACTERS, ENDINGS, EVERYDAY_WORDS = 120, 1400, 60_000
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def learn(texts: list[str], size: int) -> list[str]:
    """The `size` pieces: special ones, characters, endings, then words, the most frequent first. A smaller vocabulary is a larger one's beginning."""
    split = assemble({piece: index for index, piece in enumerate(SPECIAL)})
    counts = Counter(
        word
        for text in texts
        for word, _ in split.pre_tokenizer.pre_tokenize_str(split.normalizer.normalize_str(text))
    )
    total = sum(counts.values())
    everyday = top_n_list("en", EVERYDAY_WORDS, wordlist="large")
    words = sorted(counts.keys() | {word for word in everyday if word.isascii() and word.isalpha()})
    shares = {word: counts[word] / total + word_frequency(word, "en", wordlist="large") for word in words}
    ranked = sorted((word for word in words if len(word) > 1), key=lambda word: (-shares[word], word))
    characters = [character for character, _ in characters_of(counts)]
    start = [*SPECIAL, *characters, *("##" + character for character in characters if character.isalnum())]
    suffixes = [ending for ending in endings(ranked, size, shares) if ending not in start][:ENDINGS]
    return [*start, *suffixes, *ranked][:size]


def characters_of(counts: Counter) -> list[tuple[str, int]]:
    """The characters that occur most."""
    found: Counter = Counter()
    for word, count in counts.items():
        for character in word:
            found[character] += count
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:CHARACTERS]


def endings(ranked: list[str], size: int, shares: dict[str, float]) -> list[str]:
    """Ends of the words that are too rare to be kept whole, behind the longest start that is kept; those first that save most pieces."""
    kept = set(ranked[: size - ENDINGS])
    weights: dict[str, float] = {}
    for word in ranked[size - ENDINGS :]:
        length = next((length for length in range(len(word) - 1, 1, -1) if word[:length] in kept), 0)
        for end in range(length + 2, min(len(word), length + 7) + 1) if length else ():
            ending = "##" + word[length:end]
            weights[ending] = weights.get(ending, 0) + shares[word] * (end - length - 1)
    return sorted(weights, key=lambda ending: (-weights[ending], ending))


def assemble(vocabulary: dict[str, int]) -> Tokenizer:
    """The tokenizer of a vocabulary: [CLS] and [SEP] around each text."""
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    around = [(name, vocabulary[name]) for name in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(*around)
    return tokenizer


def write(pieces: list[str], folder: Path) -> None:
    """`vocab.txt` and `tokenizer.json`."""
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    assemble({piece: index for index, piece in enumerate(pieces)}).save(str(folder / "tokenizer.json"), pretty=False)


def read(folder: Path) -> list[str]:
    return (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()


def encode(pieces: list[str], texts: list[str], special: bool) -> list[list[int]]:
    """Ids of each text, with or without [CLS] and [SEP]."""
    tokenizer = assemble({piece: index for index, piece in enumerate(pieces)})
    return [encoded.ids for encoded in tokenizer.encode_batch(texts, add_special_tokens=special)]
