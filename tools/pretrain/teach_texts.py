"""Writes down what the two teachers make of every text of the corpus.

`texts.json` (the sentences, then pieces of them), `bge.npy` and `minilm.npy` [texts, 384]. A run that was cut short goes on
where it stopped.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from corpus import pieces, sentences
from text_teachers import TEACHERS, embed

CHUNK = 4096
# How many pieces of sentences to add; they come from the sets that corpus.py names first.
PIECES = 32_768


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--bge", type=Path, required=True)
    arguments.add_argument("--minilm", type=Path, required=True)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    by_source = sentences(options.data)
    whole = [text for texts in by_source.values() for text in texts]
    texts = whole + pieces(whole, seed=1)[:PIECES]
    options.work.mkdir(parents=True, exist_ok=True)
    sources = {name: len(found) for name, found in by_source.items()}
    (options.work / "texts.json").write_text(json.dumps({"whole": len(whole), "sources": sources, "texts": texts}))
    print(f"{len(whole)} sentences, {len(texts)} texts", flush=True)
    folders = {"bge": options.bge, "minilm": options.minilm}
    started, done = time.time(), 0
    for name in TEACHERS:
        chunks = []
        for start in range(0, len(texts), CHUNK):
            chunk = options.work / f"{name}.{start}.npy"
            if not chunk.exists():
                np.save(chunk, embed(name, folders[name], texts[start : start + CHUNK]))
                done += CHUNK
                print(f"{name} {start}, {done / (time.time() - started):.0f} texts/s", flush=True)
            chunks.append(np.load(chunk))
        np.save(options.work / f"{name}.npy", np.concatenate(chunks))


if __name__ == "__main__":
    main()
