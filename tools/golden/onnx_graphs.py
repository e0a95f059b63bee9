"""Tiny encoders as transformers.js publishes them: exported by torch.onnx, quantised and run by ONNX Runtime."""

import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn
from transformers import BertModel, MobileNetV2Config, MobileNetV2ForImageClassification, MobileNetV2ImageProcessor, ViTConfig, ViTImageProcessor, ViTModel

from bert import config_of, encode, named, tokenizer_for
from golden_case import Case, write_json
from mobilenet_v2_torch import PICTURES, pictures
from randomize import randomize_bert, randomize_torch
from vocabulary import PAIRS, TEXTS

FAMILY = "onnx-graph"
PACKAGES = ["onnxruntime", "onnx", "transformers", "torch"]
TOKENS = {0: "batch_size", 1: "sequence_length"}
OPSET = 17


class Named(nn.Module):
    """A model as a function of tensors in a fixed order."""

    def __init__(self, model, function):
        super().__init__()
        self.model, self.function = model, function

    def forward(self, *inputs):
        return self.function(self.model, *inputs)


def export(module, inputs, outputs, path, axes):
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), tuple(inputs.values()), str(path), input_names=list(inputs), output_names=outputs, dynamic_axes=axes, opset_version=OPSET, dynamo=False
        )
    onnx.checker.check_model(str(path), full_check=True)


def run(path, feeds, outputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(outputs, {name: np.asarray(value) for name, value in feeds.items()})


def quantize(path, to):
    """As transformers.js's conversion script does: weights as 8-bit integers, activations rounded as they come."""
    quantize_dynamic(str(path), str(to), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)


def feeds_of(encoded, names):
    return {name: encoded[name] for name in names}


def pooled(states, mask):
    """Mean over the tokens, and the first."""
    weights = np.asarray(mask, np.float32)[..., None]
    return (states.astype(np.float32) * weights).sum(1) / weights.sum(1), states[:, 0].astype(np.float32)


def alone(path, tokenizer, names):
    """Means of texts that are run by themselves: graphs that round activations see no neighbours and no padding."""
    rows = []
    for text in TEXTS:
        encoded = encode(tokenizer, [text])
        (states,) = run(path, feeds_of(encoded, names), ["last_hidden_state"])
        rows.append(pooled(states, encoded["attention_mask"])[0])
    return np.concatenate(rows)


def make_text(seed=71):
    case = Case(FAMILY, "text")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    model = BertModel(config_of(attn_implementation="eager"), add_pooling_layer=False)
    randomize_bert(model, seed)
    tokenizer = tokenizer_for(case.checkpoint)
    (case.checkpoint / "vocab.txt").unlink()
    (case.checkpoint / "special_tokens_map.json").unlink()
    write_json(case.checkpoint / "config.json", {**model.config.to_diff_dict(), "model_type": "bert"})
    texts, pairs = encode(tokenizer, TEXTS), encode(tokenizer, PAIRS)
    path = case.checkpoint / "onnx" / "model.onnx"
    half = case.checkpoint / "onnx" / "model_fp16.onnx"
    small = case.checkpoint / "onnx" / "model_quantized.onnx"
    states = lambda inner, ids, mask, types: inner(input_ids=ids, attention_mask=mask, token_type_ids=types).last_hidden_state
    axes = {name: TOKENS for name in [*names, "last_hidden_state"]}
    export(Named(model, states), feeds_of(texts, names), ["last_hidden_state"], path, axes)
    quantize(path, small)
    expected, outputs = {}, {}
    for prefix, encoded in (("", texts), ("pair.", pairs)):
        (expected,) = run(path, feeds_of(encoded, names), ["last_hidden_state"])
        mean, first = pooled(expected, encoded["attention_mask"])
        outputs |= named(encoded, prefix) | {
            f"{prefix}last_hidden_state": (expected, "float32 [text, token, channel], padding included"),
            f"{prefix}mean": (mean, "float32 [text, channel]: mean of the tokens that are no padding"),
            f"{prefix}cls": (first, "float32 [text, channel]: the first token"),
        }
    outputs["quantized.mean"] = (alone(small, tokenizer, names), "float32 [text, channel]: of model_quantized.onnx, each text by itself")
    export(Named(model.half(), states), feeds_of(texts, names), ["last_hidden_state"], half, axes)
    outputs["fp16.mean"] = (alone(half, tokenizer, names), "float32 [text, channel]: of model_fp16.onnx, whose output is float16")
    case.write("a BERT in three variants, named as transformers.js expects", PACKAGES, TEXTS, outputs, pairs=PAIRS, max_length=20)


def make_sentence(seed=72):
    """A graph that pools and scales by itself, as optimum exports sentence-transformers; without token types."""
    case = Case(FAMILY, "sentence")
    names = ["input_ids", "attention_mask"]
    model = BertModel(config_of(num_hidden_layers=1, hidden_size=16, intermediate_size=24, attn_implementation="eager"), add_pooling_layer=False)
    randomize_bert(model, seed)
    tokenizer = tokenizer_for(case.checkpoint)
    (case.checkpoint / "vocab.txt").unlink()
    (case.checkpoint / "special_tokens_map.json").unlink()

    def embed(inner, ids, mask):
        states = inner(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].to(states.dtype)
        mean = (states * weights).sum(1) / weights.sum(1)
        return states, mean / mean.norm(dim=1, keepdim=True)

    texts = encode(tokenizer, TEXTS)
    path = case.checkpoint / "model.onnx"
    axes = {**{name: TOKENS for name in [*names, "token_embeddings"]}, "sentence_embedding": {0: "batch_size"}}
    export(Named(model, embed), feeds_of(texts, names), ["token_embeddings", "sentence_embedding"], path, axes)
    states, vectors = run(path, feeds_of(texts, names), ["token_embeddings", "sentence_embedding"])
    mean, _ = pooled(states, texts["attention_mask"])
    outputs = named(texts) | {
        "sentence_embedding": (vectors, "float32 [text, channel]: as the graph pools and scales it"),
        "mean": (mean, "float32 [text, channel]: the mean of token_embeddings"),
    }
    case.write("a sentence encoder that pools by itself; the graph beside its tokenizer, no config.json", PACKAGES, TEXTS, outputs, max_length=20)


def make_classifier(seed=73):
    """A photo classifier whose features are an inner tensor, and the same network ending at them."""
    case = Case(FAMILY, "image")
    torch.manual_seed(seed)
    config = MobileNetV2Config(depth_multiplier=0.1, finegrained_output=False, num_labels=5, tf_padding=False, depth_divisible_by=4, min_depth=4)
    model = MobileNetV2ForImageClassification(config).eval()
    processor = MobileNetV2ImageProcessor(size={"shortest_edge": 45}, crop_size={"height": 40, "width": 40})
    pixels = processor(pictures(), return_tensors="pt")["pixel_values"]
    randomize_torch(model, seed, pixels)
    processor.save_pretrained(case.checkpoint)
    write_json(case.checkpoint / "config.json", config.to_diff_dict())
    inputs, batch = {"pixel_values": pixels}, {0: "batch_size"}
    free = {0: "batch_size", 2: "height", 3: "width"}
    path, classifier = case.checkpoint / "onnx" / "model.onnx", case.checkpoint / "onnx" / "classifier.onnx"
    both = lambda inner, values: tuple(inner(values)[:2])
    export(Named(model.mobilenet_v2, both), inputs, ["last_hidden_state", "pooler_output"], path, {"pixel_values": free, "last_hidden_state": free, "pooler_output": batch})
    export(Named(model, lambda inner, values: inner(values).logits), inputs, ["logits"], classifier, {"pixel_values": batch, "logits": batch})
    states, vectors = run(path, inputs, ["last_hidden_state", "pooler_output"])
    with torch.no_grad():
        reference = model.mobilenet_v2(pixels).pooler_output.numpy()
    assert np.abs(reference - vectors).max() < 1e-4
    outputs = {
        "pixel_values": (pixels, "float32 [picture, channel, row, column]: the network's input"),
        "last_hidden_state": (states, "float32 [picture, channel, row, column]: the last feature map"),
        "pooler_output": (vectors, "float32 [picture, channel]: its mean over rows and columns, and what the classifier takes"),
    }
    case.write("a MobileNetV2 with free sizes, and onnx/classifier.onnx of a fixed size, whose features have no name", PACKAGES, PICTURES, outputs)


def make_vision_transformer(seed=74):
    case = Case(FAMILY, "vision-transformer")
    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8, attn_implementation="eager"
    )
    model = ViTModel(config, add_pooling_layer=False).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    processor = ViTImageProcessor(size={"height": 32, "width": 32}, resample=2)
    processor.save_pretrained(case.checkpoint)
    write_json(case.checkpoint / "config.json", {**config.to_diff_dict(), "model_type": "vit"})
    pixels = processor(pictures(), return_tensors="pt")["pixel_values"]
    path = case.checkpoint / "onnx" / "model.onnx"
    axes = {name: {0: "batch_size"} for name in ["pixel_values", "last_hidden_state"]}
    export(Named(model, lambda inner, values: inner(values).last_hidden_state), {"pixel_values": pixels}, ["last_hidden_state"], path, axes)
    (states,) = run(path, {"pixel_values": pixels}, ["last_hidden_state"])
    outputs = {
        "pixel_values": (pixels, "float32 [picture, channel, row, column]: the network's input"),
        "cls": (states[:, 0], "float32 [picture, channel]: the first token"),
        "mean": (states.mean(1), "float32 [picture, channel]: the mean of all tokens"),
        "max": (states.max(1), "float32 [picture, channel]: the largest of all tokens"),
    }
    case.write("a vision transformer that gives a vector for each patch", PACKAGES, PICTURES, outputs)


def make_onnx_graphs():
    make_text()
    make_sentence()
    make_classifier()
    make_vision_transformer()
