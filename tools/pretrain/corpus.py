"""The unlabelled text that the two text backbones learn from.

Sentences of the parts marked for training, without their labels, and plain text of wikitext-2. Whatever also appears in a part
that is used for evaluation, of any set, is left out, however it is cased or punctuated.
"""

import csv
import random
import re
from pathlib import Path

SETS = ("sst2", "trec", "mr", "cr", "subj", "ag-news", "banking77", "tweet-emotion", "sts-b")
HELD_OUT = ("validation.csv", "dev.csv", "test.csv")
TEXT_COLUMNS = ("text", "sentence1", "sentence2")
LONGEST_WORDS = 60


def read_texts(path: Path) -> list[str]:
    """Every text of a table, whatever its columns."""
    with path.open(newline="", encoding="utf-8") as file:
        return [" ".join(row[name].split()) for row in csv.DictReader(file) for name in TEXT_COLUMNS if row.get(name)]


def identity(text: str) -> str:
    """What two texts share that differ in case, spaces and punctuation only."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def wiki_sentences(path: Path) -> list[str]:
    """Sentences of wikitext-2's articles, with its spaced punctuation and unknown words put right."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    text = " ".join(line for line in lines if line and not line.startswith("=") and "<unk>" not in line)
    text += " " + " ".join(re.sub(r"\s*<unk>\s*", " ", line) for line in lines if "<unk>" in line and not line.startswith("="))
    text = re.sub(r" @(.)@ ", r"\1", text)
    return [sentence.strip() for sentence in re.split(r"(?<=[.!?]) (?=[A-Z\"])", text) if 4 <= len(sentence.split()) <= LONGEST_WORDS]


def sentences(data: Path) -> dict[str, list[str]]:
    """All distinct sentences to learn from, by the set that they come from, in a fixed order."""
    folder = data / "text"
    held_out = {identity(text) for name in SETS for part in HELD_OUT if (folder / name / part).exists() for text in read_texts(folder / name / part)}
    sources = {name: read_texts(folder / name / "train.csv") for name in SETS}
    sources["wikitext-2"] = [text for part in ("valid.txt", "test.txt") for text in wiki_sentences(folder / "wikitext-2" / part)]
    seen, found = set(held_out) | {""}, {}
    for name, texts in sources.items():
        found[name] = []
        for text in texts:
            if identity(text) not in seen:
                seen.add(identity(text))
                found[name].append(text)
    return found


def pieces(texts: list[str], seed: int) -> list[str]:
    """One part of each longer sentence: some words in a row, as a phrase for itself."""
    rng, found = random.Random(seed), []
    for text in texts:
        words = text.split()
        if len(words) < 6:
            continue
        length = rng.randint(2, min(20, len(words) - 2))
        start = rng.randint(0, len(words) - length)
        found.append(" ".join(words[start : start + length]))
    return found
