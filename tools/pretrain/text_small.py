"""Trains text-small: one vector a word piece, whose mean, brought to unit length, says what two teachers say of the whole sentence.

The vectors start as what the teachers make of each piece by itself, in 256 dimensions. Then they are tuned on the corpus: a linear
map of a sentence's feature has to hit both teachers' embeddings and, with less weight, which words the sentence holds, because
tasks such as telling questions apart hang on words that the teachers' meaning passes over. The map is thrown away; a linear
classifier on the feature finds by itself what it held. Run `teach_texts.py` first.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize
from torch.nn import functional

import word_pieces
from text_teachers import TEACHERS, embed

PIECES, WIDTH = 14_336, 256
UNKNOWN = 1
BATCH, EPOCHS, RATE, DROPPED = 256, 8, 5e-3, 0.15
# Directions in which the words of a sentence are told, and their weight beside the teachers'.
WORD_DIRECTIONS, WORD_WEIGHT = 192, 0.2
HELD_OUT = 3000
# Length of the feature while training; the saved network has length 1.
LENGTH = 16.0


def targets_of(work: Path) -> torch.Tensor:
    """Both teachers' sentence embeddings side by side, centred, each of unit variance over all [texts, 768]."""
    both = [torch.from_numpy(np.load(work / f"{name}.npy")).float() for name in TEACHERS]
    return torch.cat([(one - one.mean(0)) / one.std(0).mean() for one in both], 1)


def starting_vectors(pieces: list[str], folders: dict[str, Path], cache: Path) -> torch.Tensor:
    """What the teachers make of each piece alone, in its first 256 principal directions [pieces, 256]."""
    words = [piece.removeprefix("##") for piece in pieces]
    if not cache.exists():
        np.save(cache, np.concatenate([embed(name, folders[name], words) for name in TEACHERS], 1))
    both = torch.from_numpy(np.load(cache)).float()
    both = both - both.mean(0)
    torch.manual_seed(0)
    _, _, directions = torch.pca_lowrank(both, WIDTH, center=False, niter=6)
    vectors = both @ directions
    return vectors / vectors.norm(dim=1).mean()


def words_of(ids: list[list[int]], count: int) -> torch.Tensor:
    """Which pieces each text holds, rare ones heavier, in its principal directions [texts, 192], of unit variance over all."""
    rows = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
    columns = np.concatenate([np.array(row, dtype=np.int64) for row in ids])
    held = csr_matrix((np.ones(len(rows), "float32"), (rows, columns)), shape=(len(ids), count))
    held.data[:] = 1
    rarity = np.log(len(ids) / (np.asarray(held.sum(0)).ravel() + 1)) + 0.5
    weighted = normalize(held.multiply(rarity).tocsr())
    found = torch.from_numpy(TruncatedSVD(WORD_DIRECTIONS, random_state=0, n_iter=3).fit_transform(weighted).astype("float32"))
    # Square roots: strong directions stay ahead of weak ones, but by less.
    found = (found - found.mean(0)) / found.std(0).sqrt()
    return found / found.std()


def shares_of(sources: dict[str, int], others: int) -> np.ndarray:
    """How often each text is drawn: small sources more often than their size, by its square root [texts]."""
    counts = [*sources.values(), others]
    shares = np.concatenate([np.full(count, count**-0.5) for count in counts])
    return shares / shares.sum()


class Sentences:
    """Token ids of all texts in one row, as EmbeddingBag wants them."""

    def __init__(self, ids: list[list[int]]):
        self.rows = [np.array(row or [UNKNOWN], dtype=np.int64) for row in ids]

    def batch(self, rows: np.ndarray, rng: np.random.Generator | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids and where each text starts; some ids left out where a generator is given."""
        chosen = [self.rows[row] for row in rows]
        if rng is not None:
            chosen = [kept if len(kept := row[rng.random(len(row)) >= DROPPED]) else row for row in chosen]
        starts = np.cumsum([0] + [len(row) for row in chosen[:-1]])
        return torch.from_numpy(np.concatenate(chosen)), torch.from_numpy(starts)


def ridge(features: torch.Tensor, targets: torch.Tensor, strength: float) -> torch.Tensor:
    """The linear map that fits best in squares."""
    gram = features.T @ features
    return torch.linalg.solve(gram + strength * gram.diagonal().mean() * torch.eye(len(gram)), features.T @ targets)


class Student(torch.nn.Module):
    """Word vectors, and the map that is only needed while they are trained."""

    def __init__(self, vectors: torch.Tensor, targets: int):
        super().__init__()
        self.bag = torch.nn.EmbeddingBag.from_pretrained(vectors.clone(), mode="mean", freeze=False)
        self.linear = torch.nn.Linear(WIDTH, targets)

    def features(self, ids: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.bag(ids, starts), dim=1) * LENGTH

    def forward(self, ids: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        return self.linear(self.features(ids, starts))


@torch.no_grad()
def prepare(student: Student, sentences: Sentences, targets: torch.Tensor, rows: np.ndarray) -> None:
    """Centres the vectors on the mean sentence and starts the map where it fits best."""
    student.bag.weight -= student.bag(*sentences.batch(rows, None)).mean(0)
    features = student.features(*sentences.batch(rows, None))
    weight = ridge(features - features.mean(0), targets[rows], 1e-3).T
    student.linear.weight.copy_(weight)
    student.linear.bias.copy_(-features.mean(0) @ weight.T)


def tune(vectors: torch.Tensor, sentences: Sentences, targets: torch.Tensor, shares: np.ndarray, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))
    held_out, train = order[:HELD_OUT], order[HELD_OUT:]
    student = Student(vectors, targets.shape[1])
    prepare(student, sentences, targets, train[::4])
    optimizer = torch.optim.AdamW(student.parameters(), lr=RATE, weight_decay=0.0)
    per_epoch = len(train) // BATCH
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / (EPOCHS * per_epoch))))

    def loss_on(rows: np.ndarray, generator: np.random.Generator | None) -> torch.Tensor:
        return functional.mse_loss(student(*sentences.batch(rows, generator)), targets[rows])

    chances = shares[train] / shares[train].sum()
    for epoch in range(EPOCHS):
        for rows in np.array_split(rng.choice(train, per_epoch * BATCH, p=chances), per_epoch):
            optimizer.zero_grad()
            loss_on(rows, rng).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            print(f"epoch {epoch + 1}: held out {loss_on(held_out, None).item():.4f}", flush=True)
    return student.bag.weight.detach()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--bge", type=Path, required=True)
    arguments.add_argument("--minilm", type=Path, required=True)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    corpus = json.loads((options.work / "texts.json").read_text())
    texts, whole = corpus["texts"], corpus["texts"][: corpus["whole"]]
    pieces = word_pieces.learn(whole, PIECES)
    options.out.mkdir(parents=True, exist_ok=True)
    word_pieces.write(pieces, options.out)
    ids = word_pieces.encode(pieces, texts, special=False)
    print(f"{len(pieces)} pieces, {sum(map(len, ids)) / len(ids):.1f} a text", flush=True)
    start = starting_vectors(pieces, {"bge": options.bge, "minilm": options.minilm}, options.work / "pieces.npy")
    teachers = targets_of(options.work)
    words = words_of(ids, len(pieces)) * math.sqrt(WORD_WEIGHT * teachers.shape[1] / WORD_DIRECTIONS)
    shares = shares_of(corpus["sources"], len(texts) - len(whole))
    vectors = tune(start, Sentences(ids), torch.cat([teachers, words], 1), shares, options.seed)
    save_file({"embeddings": vectors.contiguous()}, options.out / "model.safetensors")
    (options.out / "config.json").write_text(json.dumps({"model_type": "model2vec", "hidden_dim": WIDTH, "normalize": True}, indent=2) + "\n")


if __name__ == "__main__":
    main()
