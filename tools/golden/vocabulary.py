"""A WordPiece vocabulary of our own, and texts that are hard on tokenizers."""

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = "the a red blue rose sky good bad film train late is was not very in of and to it one two un able cat dog run sing ein".split()
LETTERS = list("abcdefghijklmnopqrstuvwxyz")
ENDINGS = [f"##{part}" for part in ["s", "ing", "ed", "er", "ly", "able", *LETTERS, "5", "99", "."]]
SIGNS = list(".,!?'-$()\"0123456789")
OTHERS = ["東", "京", "ß", "я", "##я", "😀", "ñ", "é"]
CAPITALS = ["The", "Red", "Rose", "Film", "Café", "I", "T", "R", "É", "##É", "##é"]


def vocabulary(cased=False):
    return list(dict.fromkeys([*SPECIALS, *WORDS, *LETTERS, *ENDINGS, *SIGNS, *OTHERS, *(CAPITALS if cased else [])]))


TEXTS = [
    "The red rose is very good.",
    "a",
    "",
    "naïve Café RÉSUMÉ, señor",
    "東京 is red, Я not",
    "emoji 😀 train 👍🏽!",
    "tab\tnew\nline\u0001\u200b of\u00a0it\u2028and\ufffd",
    "don't!!! (one-two?) $5.99 ...",
    "unsingable trains, xylophones 123456",
    "[CLS] the [MASK] film [SEP]",
    "Sing it again and again: the cat and the dog run to the blue sky, and the film was not very late, was it?",
]

PAIRS = [
    ["the red rose", "is the sky blue?"],
    ["a", "the film was bad, the film was late, the film was one of the bad ones"],
    ["The cat and the dog run to the blue sky in the train", "and the film was not very good, was it?"],
]
