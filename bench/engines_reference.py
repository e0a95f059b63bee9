"""How long PyTorch takes for the works that the engines are compared on: eager, on the processor, two threads.

    taskset -c 0,1 python bench/engines_reference.py <mobilenet folder> <all-MiniLM-L6-v2 folder> [--only <work> ...] [--repeats 7]

The MobileNetV2 1.0 @224 and the MiniLM are published weights in the Hub's layout; ResNet-50 has random ones. Each work runs in a process
of its own and prints one JSON line: milliseconds a batch (median, all), and `peakMb`, the most memory that process ever held. Pixels,
token ids, labels and the start of the head are formulas, so that `firstLoss` and `check` (the first numbers of the features) can be
compared with those of other programs. A training work stops with an error where its loss does not fall.

A training step: forward, cross-entropy of a dense layer with 5 classes on the pooled features, backward, gradients clipped to length 1,
AdamW (rate 1e-5 for photos, 1e-4 for texts, 1e-3 for LoRA, decay 0.01) on everything that learns. `-frozen-statistics`: normalisation
uses those of the checkpoint, its gamma and beta learn. `-dropout`: 0.1 where the checkpoint has it; for LoRA also in front of its own
matrices, as in PEFT's examples. `-fused` and `-channels-last` are settings of PyTorch that a user may know: the fused AdamW, the other
layout of maps. Attention is what transformers chooses by itself (scaled_dot_product_attention).

Other work on the same cores slows PyTorch more than other programs (its threads wait for each other): measure on a quiet machine.

Versions: torch 2.9.1, torchvision 0.24.1, transformers 4.57.6, peft 0.18.1.
"""

import argparse
import functools
import json
import os
import resource
import statistics
import subprocess
import sys
import time

THREADS = 2
TRAINING_BATCH = 16
LABELS = 5
PHOTO_RATE, TEXT_RATE, LORA_RATE, DECAY, LONGEST = 1e-5, 1e-4, 1e-3, 0.01, 1.0
BERT_DROPOUT = 0.1


def pixels(count):
    """float32 [count, 3, 224, 224] in -1 to 1; the formula counts in the order batch, row, column, channel."""
    import numpy as np
    import torch

    values = np.sin(np.arange(count * 224 * 224 * 3, dtype=np.float64)).astype(np.float32)
    return torch.from_numpy(values.reshape(count, 224, 224, 3)).permute(0, 3, 1, 2).contiguous()


def token_ids(count, length=128):
    """int64 [count, length], whole words and pieces of the vocabulary."""
    import torch

    return torch.arange(count * length).mul(7919).remainder(28000).add(1000).reshape(count, length)


def load_mobilenet(folders, training=False, channels_last=False):
    import torch
    from transformers import MobileNetV2Model

    model = MobileNetV2Model.from_pretrained(folders.mobilenet).train(training)
    return model.to(memory_format=torch.channels_last) if channels_last else model


def load_minilm(folders, training=False, dropout=0.0):
    from transformers import BertModel

    settings = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    return BertModel.from_pretrained(folders.minilm, add_pooling_layer=False, **settings).train(training)


def embed_texts(model, ids, mask):
    """The mean of the tokens at length 1: float32 [batch, features]."""
    import torch

    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(2).to(hidden.dtype)
    mean = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
    return torch.nn.functional.normalize(mean, dim=1)


def text_features(model, count):
    import torch

    ids = token_ids(count)
    mask = torch.ones_like(ids)
    return lambda: embed_texts(model, ids, mask)


def photo_features(model, count, channels_last=False):
    import torch

    batch = pixels(count)
    batch = batch.contiguous(memory_format=torch.channels_last) if channels_last else batch
    return lambda: model(pixel_values=batch).pooler_output


def fixed_head(features):
    """A dense layer whose start is a formula."""
    import torch

    head = torch.nn.Linear(features, LABELS)
    with torch.no_grad():
        places = torch.arange(features, dtype=torch.float64).mul(LABELS)[None, :] + torch.arange(LABELS)[:, None]
        head.weight.copy_(torch.sin(places) * 0.05)
        head.bias.zero_()
    return head


def inference(features, width):
    """Runs features without gradients; checks their shape."""
    import torch

    def step():
        with torch.no_grad():
            return features()

    first = step()
    assert first.shape[1] == width and bool(torch.isfinite(first).all()), first.shape
    facts = {"batch": first.shape[0], "check": [round(float(value), 6) for value in first[0, :4]]}
    return step, facts


def training_step(model, features, width, rate, fused=False):
    """One step of everything in the model that asks for a gradient, and of a head. Gives the loss."""
    import torch

    head, batch = fixed_head(width), TRAINING_BATCH
    labels = torch.arange(batch) % LABELS
    learning = [weight for module in (model, head) for weight in module.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=rate, weight_decay=DECAY, fused=fused or None)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(head(features()), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, LONGEST)
        optimizer.step()
        return loss.item()

    return step, {"batch": batch, "learning": sum(weight.numel() for weight in learning)}


def mobilenet_features(folders, channels_last=False):
    model = load_mobilenet(folders, channels_last=channels_last)
    return inference(photo_features(model, 16, channels_last), 1280)


def resnet_features(_folders, channels_last=False):
    import torch
    from torchvision.models import resnet50

    model = resnet50(weights=None).eval()
    model.fc = torch.nn.Identity()
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model, batch = model.to(memory_format=layout), pixels(8).contiguous(memory_format=layout)
    return inference(lambda: model(batch), 2048)


def minilm_embeddings(folders):
    return inference(text_features(load_minilm(folders), 32), 384)


def mobilenet_step(folders, frozen_statistics=False, channels_last=False):
    import torch

    model = load_mobilenet(folders, training=True, channels_last=channels_last)
    if frozen_statistics:
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()  # gamma and beta go on learning
    return training_step(model, photo_features(model, TRAINING_BATCH, channels_last), 1280, PHOTO_RATE)


def minilm_step(folders, dropout=0.0, fused=False):
    model = load_minilm(folders, training=True, dropout=dropout)
    return training_step(model, text_features(model, TRAINING_BATCH), 384, TEXT_RATE, fused)


def lora_step(folders, dropout=0.0):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=8, lora_alpha=16, lora_dropout=dropout, target_modules=["query", "value"])
    model = get_peft_model(load_minilm(folders, dropout=dropout), config).train()
    return training_step(model, text_features(model, TRAINING_BATCH), 384, LORA_RATE)


WORKS = {
    "mobilenet-features": mobilenet_features,
    "mobilenet-features-channels-last": functools.partial(mobilenet_features, channels_last=True),
    "resnet-features": resnet_features,
    "resnet-features-channels-last": functools.partial(resnet_features, channels_last=True),
    "minilm-embeddings": minilm_embeddings,
    "mobilenet-step-frozen-statistics": functools.partial(mobilenet_step, frozen_statistics=True),
    "mobilenet-step-frozen-statistics-channels-last": functools.partial(mobilenet_step, frozen_statistics=True, channels_last=True),
    "mobilenet-step": mobilenet_step,
    "mobilenet-step-channels-last": functools.partial(mobilenet_step, channels_last=True),
    "minilm-step": minilm_step,
    "minilm-step-fused": functools.partial(minilm_step, fused=True),
    "minilm-step-dropout": functools.partial(minilm_step, dropout=BERT_DROPOUT),
    "lora-step": lora_step,
    "lora-step-dropout": functools.partial(lora_step, dropout=BERT_DROPOUT),
}


def timed(step):
    started = time.perf_counter()
    result = step()
    return (time.perf_counter() - started) * 1000, result if isinstance(result, float) else None


def measure(name, folders):
    """One work, in this process."""
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    step, facts = WORKS[name](folders)
    runs = [timed(step) for _ in range(folders.warmup + folders.repeats)]
    times, losses = [run[0] for run in runs[folders.warmup :]], [run[1] for run in runs if run[1] is not None]
    if losses:
        assert losses[-1] < losses[0], f"{name}: the loss does not fall: {losses}"
        facts |= {"firstLoss": round(losses[0], 6), "lastLoss": round(losses[-1], 6)}
    return {
        "work": name,
        "by": f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads",
        "ms": round(statistics.median(times), 1),
        "all": [round(value, 1) for value in times],
        **facts,
        "peakMb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def read_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("mobilenet")
    parser.add_argument("minilm")
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--here", action="store_true", help="measure in this process: what the children are started with")
    return parser.parse_args()


def main():
    arguments = read_arguments()
    if arguments.here:
        for name in arguments.only:
            print(json.dumps(measure(name, arguments)), flush=True)
        return
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "HF_HUB_OFFLINE": "1", "USE_TF": "0", "TRANSFORMERS_VERBOSITY": "error"}
    options = ["--repeats", str(arguments.repeats), "--warmup", str(arguments.warmup), "--here", "--only"]
    for name in arguments.only:
        command = [sys.executable, __file__, arguments.mobilenet, arguments.minilm, *options, name]
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
