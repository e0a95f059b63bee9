"""BERT as transformers and sentence-transformers publish it."""

import tempfile

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizer, BertTokenizerFast

from golden_case import Case, write_json
from randomize import randomize_bert
from vocabulary import PAIRS, TEXTS, vocabulary

FAMILY = "bert"
MAX_LENGTH = 20


def config_of(cased=False, **settings):
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 64}
    return BertConfig(vocab_size=len(vocabulary(cased)), **{**sizes, **settings})


def write_vocabulary(folder, cased=False):
    (folder / "vocab.txt").write_text("\n".join(vocabulary(cased)) + "\n", encoding="utf-8")


def tokenizer_for(folder, cased=False, max_length=MAX_LENGTH):
    """Writes tokenizer.json and its companions."""
    with tempfile.TemporaryDirectory() as elsewhere:
        path = f"{elsewhere}/vocab.txt"
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(vocabulary(cased)) + "\n")
        tokenizer = BertTokenizerFast(path, do_lower_case=not cased, model_max_length=max_length)
        tokenizer.save_pretrained(folder)
    return tokenizer


def named(encoded, prefix=""):
    meanings = {"input_ids": "token ids", "attention_mask": "1 for a token, 0 for padding", "token_type_ids": "0 for the first text, 1 for the second of a pair"}
    return {prefix + name: (encoded[name], f"int32 [text, token]: {meaning}") for name, meaning in meanings.items()}


def mean_of(states, mask):
    mask = mask[..., None].float()
    return (states * mask).sum(1) / mask.sum(1)


def outputs_of(model, encoded, prefix="", hidden=False):
    """What the model makes of a batch, with its inputs."""
    with torch.no_grad():
        result = model(**encoded, output_hidden_states=True)
    states = result.last_hidden_state
    outputs = named(encoded, prefix) | {
        f"{prefix}last_hidden_state": (states, "float32 [text, token, channel], padding included"),
        f"{prefix}mean": (mean_of(states, encoded["attention_mask"]), "float32 [text, channel]: mean of the tokens that are no padding"),
    }
    if hidden:
        for index, state in enumerate(result.hidden_states[:-1]):
            outputs[f"{prefix}hidden_states.{index}"] = (state, f"float32 [text, token, channel]: {'the embeddings' if index == 0 else f'after layer {index}'}")
    if result.pooler_output is not None:
        outputs[f"{prefix}pooler_output"] = (result.pooler_output, "float32 [text, channel]: tanh of the trained projection of [CLS]")
    return outputs


def encode(tokenizer, texts, length=MAX_LENGTH):
    pairs = list(zip(*texts)) if isinstance(texts[0], list) else [texts]
    return tokenizer(*(list(side) for side in pairs), padding=True, truncation=True, max_length=length, return_tensors="pt", return_token_type_ids=True)


def finish(case, description, tokenizer, pairs=False, hidden=False, length=MAX_LENGTH, **more):
    model = BertModel.from_pretrained(case.checkpoint, dtype=torch.float32, attn_implementation="eager").eval()
    outputs = outputs_of(model, encode(tokenizer, TEXTS, length), hidden=hidden)
    if model.pooler is None or more.pop("without_pooler", False):
        outputs.pop("pooler_output", None)
    if pairs:
        outputs |= outputs_of(model, encode(tokenizer, PAIRS, length), "pair.")
        more["pairs"] = PAIRS
    case.write(description, ["transformers", "tokenizers", "torch"], TEXTS, outputs, max_length=length, **more)


def make_bare(name, description, seed, dtype=torch.float16, shard_size="1GB", settings=None, **more):
    case = Case(FAMILY, name)
    model = BertModel(config_of(**(settings or {})))
    randomize_bert(model, seed)
    model.to(dtype).save_pretrained(case.checkpoint, max_shard_size=shard_size)
    finish(case, description, tokenizer_for(case.checkpoint), **more)


def make_masked_language_model(seed):
    case = Case(FAMILY, "huggingface-masked-lm")
    model = BertForMaskedLM(config_of(hidden_act="gelu_new", layer_norm_eps=1e-5))
    randomize_bert(model, seed)
    model.half().save_pretrained(case.checkpoint)
    # Older versions wrote the buffer and the tied weights too.
    path = case.checkpoint / "model.safetensors"
    tensors = load_file(path)
    tensors["bert.embeddings.position_ids"] = torch.arange(model.config.max_position_embeddings)[None]
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"].clone()
    save_file(tensors, path, metadata={"format": "pt"})
    finish(case, "BertForMaskedLM: prefix bert., a head and position_ids to ignore; gelu_new, layer_norm_eps 1e-5", tokenizer_for(case.checkpoint), without_pooler=True)


def make_old_names(seed):
    """As google/bert_uncased_L-2_H-128_A-2 and prajjwal1/bert-tiny were converted from TensorFlow."""
    case = Case(FAMILY, "huggingface-old-names")
    config = config_of(hidden_act="relu", max_position_embeddings=MAX_LENGTH)
    model = BertModel(config)
    randomize_bert(model, seed)
    tensors = {}
    for name, tensor in model.half().state_dict().items():
        tensors["bert." + name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")] = tensor
    tensors["cls.seq_relationship.weight"], tensors["cls.seq_relationship.bias"] = torch.ones(2, 32).half(), torch.zeros(2).half()
    save_file(tensors, case.checkpoint / "model.safetensors", metadata={"format": "pt"})
    written = ["attention_probs_dropout_prob", "hidden_act", "hidden_dropout_prob", "hidden_size", "initializer_range", "intermediate_size",
               "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "type_vocab_size", "vocab_size"]  # fmt: skip
    write_json(case.checkpoint / "config.json", {name: getattr(config, name) for name in written})
    write_vocabulary(case.checkpoint)
    tokenizer = BertTokenizer(str(case.checkpoint / "vocab.txt"))
    finish(case, "names LayerNorm.gamma and .beta, no tokenizer.json, no model_type, no layer_norm_eps; relu", tokenizer, pairs=True)


def make_sentence_transformer(name, description, seed, pooling, normalize, cased=False, lower=False, dtype=torch.float16, **settings):
    case = Case(FAMILY, name)
    with tempfile.TemporaryDirectory() as folder:
        model = BertModel(config_of(cased, **settings))
        randomize_bert(model, seed)
        model.save_pretrained(folder)
        tokenizer_for(folder, cased, max_length=64)
        transformer = Transformer(folder, max_seq_length=MAX_LENGTH, do_lower_case=lower)
        modules = [transformer, Pooling(transformer.get_word_embedding_dimension(), pooling), *([Normalize()] if normalize else [])]
        SentenceTransformer(modules=modules, device="cpu").to(dtype).save(str(case.checkpoint), create_model_card=False)
    loaded = SentenceTransformer(str(case.checkpoint), device="cpu", model_kwargs={"dtype": torch.float32})
    encoded = loaded.tokenize(TEXTS)
    encoded = {key: encoded[key] for key in ("input_ids", "attention_mask", "token_type_ids")}
    with torch.no_grad():
        # By itself: pooling by the largest value overwrites the padding.
        states = loaded[0](dict(encoded))["token_embeddings"]
        result = loaded(dict(encoded))
    outputs = named(encoded) | {
        "last_hidden_state": (states, "float32 [text, token, channel], padding included"),
        "sentence_embedding": (result["sentence_embedding"], "float32 [text, channel]: the text's vector"),
    }
    case.write(description, ["sentence-transformers", "transformers", "tokenizers", "torch"], TEXTS, outputs, max_length=loaded.max_seq_length)


def make_bert():
    make_bare("huggingface", "bare BertModel: gelu (erf), layer_norm_eps 1e-12; texts and pairs of texts, all hidden states", 300, pairs=True, hidden=True)
    make_masked_language_model(301)
    make_old_names(302)
    make_bare("huggingface-sharded", "weights in several files with an index; layer_norm_eps 1e-3", 303, shard_size="15KB", settings={"layer_norm_eps": 1e-3})
    make_bare("huggingface-bfloat16", "weights stored as bfloat16", 304, dtype=torch.bfloat16)
    make_sentence_transformer("sentence-transformers-mean", "mean of the tokens, scaled to length 1 (as all-MiniLM-L6-v2)", 305, "mean", True)
    make_sentence_transformer("sentence-transformers-cls", "[CLS], scaled to length 1 (as BGE), cased vocabulary", 306, "cls", True, cased=True)
    make_sentence_transformer("sentence-transformers-max", "largest values, not scaled, cased vocabulary with do_lower_case of sentence_bert_config.json", 307, "max", False, cased=True, lower=True)
