"""Adapters as the Python package PEFT saves them, on the bases of the other cases: what they make of features, and their gradients."""

import torch
from peft import LoraConfig, TaskType, get_peft_model
from safetensors.torch import load_file
from timm.models.efficientnet import _gen_mobilenet_v2
from transformers import BertForSequenceClassification, BertModel, BertTokenizerFast, MobileNetV2Model

from golden_case import ROOT, Case
from mobilenet_v2_torch import PICTURES, narrow_timm
from vocabulary import TEXTS

FAMILY = "peft"
BERT = "bert/huggingface"
# PEFT cannot run the transformers network with TensorFlow's padding, which reads the stride off the convolution that PEFT has wrapped.
MOBILENET = "mobilenet-v2/huggingface-torch-padding"
TIMM = "mobilenet-v2/timm"


def randomize_adapter(model, seed, strength):
    """Every part of every update matters. Deep networks get smaller updates, or rounding would grow from layer to layer."""
    generator = torch.Generator().manual_seed(seed)
    normal = lambda parameter: torch.randn(parameter.shape, generator=generator)  # noqa: E731
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_magnitude_vector" in name:
                parameter.mul_(0.7 + 0.6 * torch.rand(parameter.shape, generator=generator))
            elif "lora_A" in name:
                parameter.copy_(normal(parameter) / parameter[0].numel() ** 0.5)
            elif "lora_B" in name:
                parameter.copy_(strength * normal(parameter))


def saved_name(name):
    """A parameter's name in adapter_model.safetensors."""
    return name.replace(".default.weight", "" if "magnitude" in name else ".weight")


def outputs_of(model, inputs, states_of, seed):
    """The base's features with the adapter, and the gradient of their product with a random direction."""
    states = states_of(model, inputs)
    direction = torch.randn(states.shape, generator=torch.Generator().manual_seed(seed)) / states.numel() ** 0.5
    (states * direction).sum().backward()
    gradients = {
        f"gradient.{saved_name(name)}": (parameter.grad, "float32, axes of PyTorch: of the sum of last_hidden_state times direction")
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and ("lora_" in name)
    }
    return {
        "last_hidden_state": (states, "float32 as the base gives it, axes of PyTorch"),
        "direction": (direction, "float32 as last_hidden_state"),
        **gradients,
    }


def assert_well_conditioned(name, model, inputs, states_of):
    """Single and double precision must agree to far less than the tolerance."""
    wide = {key: value.double() if value.is_floating_point() else value for key, value in inputs.items()} if hasattr(inputs, "items") else inputs.double()
    with torch.no_grad():
        single = states_of(model, inputs)
        gap = (states_of(model.double(), wide) - single).abs().max().item()
    model.float()
    print(f"{name}: single and double precision differ by {gap:.1e}")
    if gap > 3e-5:
        raise ValueError(f"{name}: rounding grows to {gap}")


def make_case(name, description, base, model, inputs, states_of, seed, listed, gradients=True, strength=0.4):
    case = Case(FAMILY, name)
    model.eval()
    randomize_adapter(model, seed, strength)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(case.folder / "adapter")
    (case.folder / "adapter" / "README.md").unlink(missing_ok=True)
    assert_well_conditioned(name, model, inputs, states_of)
    kept = {"last_hidden_state"} if not gradients else None
    outputs = {key: value for key, value in outputs_of(model, inputs, states_of, seed).items() if kept is None or key in kept}
    case.write(description, ["peft", "transformers", "torch"], listed, outputs, base=base)


def bert_case(name, description, seed, gradients=True, head=False, **settings):
    checkpoint = ROOT / BERT / "checkpoint"
    encoded = BertTokenizerFast.from_pretrained(checkpoint)(TEXTS[:8], padding=True, truncation=True, max_length=20, return_tensors="pt")
    arguments = {"attn_implementation": "eager", "dtype": torch.float32}
    if head:
        base = BertForSequenceClassification.from_pretrained(checkpoint, num_labels=3, **arguments)
        config = LoraConfig(task_type=TaskType.SEQ_CLS, **settings)
        states_of = lambda model, inputs: model.base_model.model.bert(**inputs).last_hidden_state  # noqa: E731
    else:
        base = BertModel.from_pretrained(checkpoint, **arguments)
        config = LoraConfig(**settings)
        states_of = lambda model, inputs: model(**inputs).last_hidden_state  # noqa: E731
    make_case(name, description, BERT, get_peft_model(base, config), encoded, states_of, seed, TEXTS[:8], gradients)


def convolutions_of(model):
    return [name for name, layer in model.named_modules() if isinstance(layer, torch.nn.Conv2d) and layer.groups == 1]


def mobilenet_case(name, description, seed, **settings):
    pixels = load_file(ROOT / MOBILENET / "expected.safetensors")["pixel_values"]
    base = MobileNetV2Model.from_pretrained(ROOT / MOBILENET / "checkpoint", dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(target_modules=convolutions_of(base), **settings))
    states_of = lambda model, inputs: model(inputs).last_hidden_state  # noqa: E731
    make_case(name, description, MOBILENET, model, pixels, states_of, seed, PICTURES, gradients=False, strength=0.03)


def timm_case(name, description, seed, **settings):
    pixels = load_file(ROOT / TIMM / "expected.safetensors")["pixel_values"]
    base = narrow_timm(_gen_mobilenet_v2("mobilenetv2_035", num_classes=3, channel_multiplier=0.1))
    base.load_state_dict(load_file(ROOT / TIMM / "checkpoint" / "model.safetensors"))
    model = get_peft_model(base.float(), LoraConfig(target_modules=convolutions_of(base), **settings))
    states_of = lambda model, inputs: model.base_model.model.forward_features(inputs)  # noqa: E731
    make_case(name, description, TIMM, model, pixels, states_of, seed, PICTURES, gradients=False, strength=0.03)


def make_peft_adapters():
    targets = ["query", "value", "dense"]
    bert_case("bert-lora", "LoRA on BertModel, the unused pooler too; rank 4, alpha 6", 600, r=4, lora_alpha=6, lora_dropout=0.1, target_modules=targets)
    bert_case("bert-dora", "DoRA on BertModel; rank 2, alpha 3", 601, r=2, lora_alpha=3, use_dora=True, target_modules=targets)
    bert_case("bert-patterns", "LoRA on BertForSequenceClassification, its classifier saved; ranks and alphas by module, rank-stabilised", 602,
              gradients=False, head=True, r=4, lora_alpha=4, use_rslora=True, target_modules=["query", "key"], rank_pattern={"layer.0.attention.self.query": 2},
              alpha_pattern={"key": 7})  # fmt: skip
    mobilenet_case("mobilenet-v2-lora", "LoRA on every convolution of MobileNetV2Model that is not depthwise; rank 3, alpha 4", 603, r=3, lora_alpha=4)
    timm_case("timm-dora", "DoRA on the same of timm's mobilenetv2; rank 2, alpha 2", 604, r=2, lora_alpha=2, use_dora=True)
