"""Tables of token vectors as model2vec and sentence-transformers publish them."""

import tempfile

import numpy as np
from model2vec import StaticModel
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, StaticEmbedding
from tokenizers import Tokenizer

from bert import tokenizer_for
from golden_case import Case, write_json
from vocabulary import TEXTS, vocabulary

FAMILY = "static-embedding"
DIMENSIONS = 24
# Model2Vec cuts a text to 512 times the median token's characters first, then to 512 tokens without the unknown ones.
LONG = ["xyz " * 600 + "rose", "the red rose " * 200, "a.b!" * 500]
TEXTS = [*TEXTS, "東 中 文 unknown ♞", "♞ ♜", *LONG]


def plain_tokenizer():
    """As model2vec writes it: no truncation, no padding."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer_for(folder)
        tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def id_outputs(ids):
    """Ragged ids as one row after another."""
    return {
        "ids": (np.array([token for row in ids for token in row]), "int32 [all tokens]: ids of all texts in a row, unknown ones left out"),
        "lengths": (np.array([len(row) for row in ids]), "int32 [text]: how many of them each text has"),
    }


def make_model2vec(name, description, seed, normalize, weights=False, rows=None, dtype=np.float32, old=False):
    case = Case(FAMILY, name)
    random = np.random.default_rng(seed)
    count = len(vocabulary())
    vectors = random.normal(0, 1, (rows or count, DIMENSIONS)).astype(np.float16).astype(dtype)
    token_weights = random.uniform(0.2, 2, count).astype(np.float32) if weights else None
    mapping = random.integers(0, rows, count).astype(np.int64) if rows else None
    config = {"model_type": "model2vec", "architectures": ["StaticModel"], "tokenizer_name": "our-own", "apply_pca": DIMENSIONS, "sif_coefficient": 0.0001,
              "hidden_dim": DIMENSIONS, "seq_length": 1000000, "normalize": normalize, "pooling": "mean"}  # fmt: skip
    model = StaticModel(vectors, plain_tokenizer(), config=config, weights=token_weights, token_mapping=mapping)
    model.save_pretrained(case.checkpoint)
    (case.checkpoint / "README.md").unlink(missing_ok=True)
    if old:
        # Before version 0.5: no modules.json, fewer fields.
        (case.checkpoint / "modules.json").unlink()
        write_json(case.checkpoint / "config.json", {"tokenizer_name": "our-own", "apply_pca": DIMENSIONS, "apply_zipf": True, "hidden_dim": DIMENSIONS, "seq_length": 1000000, **({"normalize": True} if normalize else {})})
    loaded = StaticModel.from_pretrained(case.checkpoint)
    # A float16 table is computed with in float32, as everything is.
    loaded.embedding = loaded.embedding.astype(np.float32)
    ids = loaded.tokenize(TEXTS, max_length=512)
    outputs = id_outputs(ids) | {"embeddings": (loaded.encode(TEXTS), "float32 [text, dimension]; zeros where no token is known")}
    case.write(description, ["model2vec", "tokenizers"], TEXTS, outputs, max_length=512, median_token_length=loaded.median_token_length, tensors=sorted(load_file(case.checkpoint / "model.safetensors")))


def make_sentence_transformer(seed):
    case = Case(FAMILY, "sentence-transformers")
    random = np.random.default_rng(seed)
    vectors = random.normal(0, 1, (len(vocabulary()), DIMENSIONS)).astype(np.float16).astype(np.float32)
    static = StaticEmbedding(plain_tokenizer(), embedding_weights=vectors)
    SentenceTransformer(modules=[static, Normalize()], device="cpu").half().save(str(case.checkpoint), create_model_card=False)
    loaded = SentenceTransformer(str(case.checkpoint), device="cpu").float()
    # Its way with no token at all depends on the version; texts without tokens are left out.
    texts = [text for text in TEXTS if text]
    ids = [encoding.ids for encoding in loaded[0].tokenizer.encode_batch(texts, add_special_tokens=False)]
    outputs = id_outputs(ids) | {"embeddings": (loaded.encode(texts), "float32 [text, dimension]; unknown tokens count, with the vector of [UNK]")}
    outputs["ids"] = (outputs["ids"][0], "int32 [all tokens]: ids of all texts in a row, unknown ones included")
    case.write("sentence-transformers: StaticEmbedding (tensor embedding.weight, in 0_StaticEmbedding or at the top) and Normalize", ["sentence-transformers", "tokenizers", "torch"], texts, outputs)


def make_static_embedding():
    make_model2vec("model2vec", "model2vec as written today, normalize true", 400, True)
    make_model2vec("model2vec-plain", "model2vec, normalize false, table of float16", 401, False, dtype=np.float16)
    make_model2vec("model2vec-weights", "model2vec with one weight a token", 402, True, weights=True)
    make_model2vec("model2vec-mapping", "model2vec with a quantised vocabulary: rows shared by a mapping, one weight a token", 403, True, weights=True, rows=40, dtype=np.float16)
    make_model2vec("model2vec-old", "model2vec before 0.5: fewer fields of config.json, no modules.json", 404, True, old=True)
    make_sentence_transformer(405)
