"""Writes test/golden/training/*.json: optimisers, schedules and the learning-rate range test, by their references.

Run with Python 3 and: torch, transformers, numpy (the versions are written into the files).
    python tools/golden/training.py

Optimisers run in float64, so that the references carry no rounding of their own. Lion is the formula of its paper (algorithm 2)
in numpy; the suggestions of the range test are re-derived from the definitions of fastai's callback/schedule.py.
"""
import json
import math
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

FOLDER = Path(__file__).resolve().parents[2] / "test" / "golden" / "training"
VERSIONS = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__, "numpy": np.__version__}
SHAPES = {"vector": [7], "matrix": [5, 4], "kernel": [2, 3, 3, 2]}
STEPS = 20


def rounded(array, digits: int) -> list:
    return np.asarray(array, dtype=np.float64).round(digits).tolist()


# --- optimisers -----------------------------------------------------------------------------------------------------------------


def draw(seed: int) -> tuple[dict, list]:
    """Weights to start from and the gradients of every step: float32 numbers with few digits."""
    random = np.random.default_rng(seed)
    start = {name: random.normal(size=shape).round(3) for name, shape in SHAPES.items()}
    drift = {name: random.normal(scale=0.3, size=shape) for name, shape in SHAPES.items()}
    gradients = [{name: (drift[name] + random.normal(size=shape)).round(3) for name, shape in SHAPES.items()} for _ in range(STEPS)]
    return start, gradients


def settings_of(rate: float, momenta: bool) -> list[dict]:
    """Rates that fall from step to step, and momenta that turn, as in a cycle."""
    return [
        {"rate": rate * (1 - step / (2 * STEPS)), **({"momentum": 0.95 - 0.1 * math.sin(math.pi * step / STEPS)} if momenta else {})}
        for step in range(STEPS)
    ]


def run_torch(make, start: dict, gradients: list, settings: list[dict], decay: float, decouple: bool) -> dict:
    weights = {name: torch.nn.Parameter(torch.tensor(value, dtype=torch.float64)) for name, value in start.items()}
    optimizer = make(list(weights.values()))
    group = optimizer.param_groups[0]
    seen = {}
    for step, (gradient, setting) in enumerate(zip(gradients, settings), 1):
        group["lr"] = setting["rate"]
        if "momentum" in setting and "betas" in group:
            group["betas"] = (setting["momentum"], group["betas"][1])
        elif "momentum" in setting:
            group["momentum"] = setting["momentum"]
        for name, weight in weights.items():
            weight.grad = torch.tensor(gradient[name], dtype=torch.float64)
            if decouple:  # torch.optim.SGD couples its decay to the gradient; ours is decoupled everywhere
                with torch.no_grad():
                    weight.mul_(1 - setting["rate"] * decay)
        optimizer.step()
        if step in (1, 2, STEPS):
            seen[step] = {name: rounded(weight.detach().numpy(), 9) for name, weight in weights.items()}
    return seen


def run_lion(beta1: float, beta2: float, start: dict, gradients: list, settings: list[dict], decay: float) -> dict:
    weights = {name: value.copy() for name, value in start.items()}
    means = {name: np.zeros_like(value) for name, value in start.items()}
    seen = {}
    for step, (gradient, setting) in enumerate(zip(gradients, settings), 1):
        first = setting.get("momentum", beta1)
        for name in weights:
            update = np.sign(first * means[name] + (1 - first) * gradient[name])
            weights[name] -= setting["rate"] * (update + decay * weights[name])
            means[name] = beta2 * means[name] + (1 - beta2) * gradient[name]
        if step in (1, 2, STEPS):
            seen[step] = {name: rounded(value, 9) for name, value in weights.items()}
    return seen


def optimizer_cases(start: dict, gradients: list) -> list[dict]:
    adamw = lambda **options: lambda weights, decay: torch.optim.AdamW(weights, weight_decay=decay, **options)
    sgd = lambda **options: lambda weights, decay: torch.optim.SGD(weights, weight_decay=0, **options)
    adafactor = lambda eps1=2**-23, eps2=1e-3, **options: lambda weights, decay: torch.optim.Adafactor(
        weights, weight_decay=decay, eps=(eps1, eps2), **options
    )
    torch_cases = [
        ({"name": "adamw"}, adamw(), 0.01, 0.1, False),
        ({"name": "adamw"}, adamw(), 0.01, 0.0, False),
        ({"name": "adamw", "beta1": 0.8, "beta2": 0.95, "epsilon": 0.01}, adamw(betas=(0.8, 0.95), eps=0.01), 0.02, 0.3, False),
        ({"name": "adamw"}, adamw(), 0.01, 0.1, True),
        ({"name": "sgd"}, sgd(momentum=0.9), 0.02, 0.5, False),
        ({"name": "sgd", "nesterov": True}, sgd(momentum=0.9, nesterov=True), 0.02, 0.5, False),
        ({"name": "sgd", "momentum": 0}, sgd(momentum=0), 0.05, 0.5, False),
        ({"name": "sgd"}, sgd(momentum=0.9), 0.02, 0.5, True),
        ({"name": "adafactor"}, adafactor(), 0.05, 0.1, False),
        ({"name": "adafactor"}, adafactor(), 0.5, 0.0, False),  # a rate above 1 / sqrt(step)
        (
            {"name": "adafactor", "beta2Decay": -0.5, "epsilon1": 0.3, "epsilon2": 2, "clip": 1.2},
            adafactor(beta2_decay=-0.5, eps1=0.3, eps2=2, d=1.2),
            0.05,
            0.1,
            False,
        ),
    ]
    lion_cases = [
        ({"name": "lion"}, 0.003, 1, False),
        ({"name": "lion", "beta1": 0.95, "beta2": 0.98}, 0.01, 0.1, False),
        ({"name": "lion"}, 0.003, 0, True),
    ]
    cases = []
    for recipe, make, rate, decay, momenta in torch_cases:
        settings = settings_of(rate, momenta)
        expected = run_torch(lambda weights: make(weights, decay), start, gradients, settings, decay, recipe["name"] == "sgd")
        cases.append({"recipe": recipe, "decay": decay, "settings": settings, "expected": expected})
    for recipe, rate, decay, momenta in lion_cases:
        settings = settings_of(rate, momenta)
        expected = run_lion(recipe.get("beta1", 0.9), recipe.get("beta2", 0.99), start, gradients, settings, decay)
        cases.append({"recipe": recipe, "decay": decay, "settings": settings, "expected": expected})
    return cases


# --- schedules ------------------------------------------------------------------------------------------------------------------


def parameter() -> list:
    return [torch.nn.Parameter(torch.zeros(1))]


def rates_of(make, steps: int) -> list[float]:
    optimizer = torch.optim.SGD(parameter(), lr=1.0)
    schedule = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def one_cycle(steps: int, warmup: float) -> dict:
    """torch's OneCycleLR over steps + 1 places: it has its peak and its end on a step, fastai at a share of the run."""
    optimizer = torch.optim.AdamW(parameter(), lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=1.0,
        total_steps=steps + 1,
        pct_start=(warmup * steps + 1) / (steps + 1),
        div_factor=25,
        final_div_factor=1e5 / 25,
        base_momentum=0.85,
        max_momentum=0.95,
    )
    rates, momenta = [], []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["betas"][0])
        optimizer.step()
        schedule.step()
    return {"kind": "one-cycle", "warmup": warmup, "steps": steps, "rates": rates, "momenta": momenta}


def schedule_cases() -> list[dict]:
    makers = {
        "constant": lambda climb, steps: lambda optimizer: get_constant_schedule_with_warmup(optimizer, climb),
        "linear": lambda climb, steps: lambda optimizer: get_linear_schedule_with_warmup(optimizer, climb, steps),
        "cosine": lambda climb, steps: lambda optimizer: get_cosine_schedule_with_warmup(optimizer, climb, steps),
    }
    cases = []
    for kind, make in makers.items():
        for steps, climb in [(10, 0), (10, 1), (40, 4), (100, 25)]:
            rates = rates_of(make(climb, steps), steps)
            cases.append({"kind": kind, "warmup": climb / steps, "steps": steps, "climb": climb, "rates": rates})
    return cases + [one_cycle(steps, warmup) for steps, warmup in [(10, 0.25), (100, 0.25), (37, 0.3), (50, 0.9)]]


# --- the learning-rate range test -----------------------------------------------------------------------------------------------


def smoothed(losses: list[float], beta: float = 0.98) -> list[float]:
    """fastai's AvgSmoothLoss: an exponential average, corrected for its start from zero."""
    average, out = 0.0, []
    for count, loss in enumerate(losses, 1):
        average = beta * average + (1 - beta) * loss
        out.append(average / (1 - beta**count))
    return out


def valley(rates: list[float], losses: list[float]) -> float:
    """The middle of the longest falling stretch: the longest subsequence of falling losses, ended as early as can be."""
    length = [1] * len(losses)
    for i in range(len(losses)):
        for j in range(i):
            if losses[i] < losses[j]:
                length[i] = max(length[i], length[j] + 1)
    end = int(np.argmax(length))
    start = end - length[end] if length[end] > 1 else end
    third = (end - start) / 3
    return rates[start + int(third) + int(third / 2)]


def steepest(rates: list[float], losses: list[float]) -> float:
    slopes = np.diff(losses) / np.diff(np.log(rates))
    return rates[int(np.argmin(slopes))]


def range_case(name: str, losses: list[float], first: float = 1e-7, last: float = 10.0, steps: int = 100) -> dict:
    """A curve as a run gives it, cut where the smoothed loss is four times its best, and what fastai suggests for it."""
    rates = [first * (last / first) ** (index / (steps - 1)) for index in range(len(losses))]
    smooth = smoothed(losses)
    best, end = math.inf, len(losses)
    for index, value in enumerate(smooth):
        best = min(best, value)
        if value > 4 * best:
            end = index + 1
            break
    rates, losses, smooth = rates[:end], losses[:end], smooth[:end]
    kept = slice(steps // 10, -5)
    return {
        "name": name,
        "steps": steps,
        "rates": rates,
        "losses": losses,
        "smoothed": smooth,
        "stopped": end,
        "valley": valley(rates[kept], smooth[kept]),
        "steepest": steepest(rates[kept], smooth[kept]),
        "minimum": rates[kept][int(np.argmin(smooth[kept]))] / 10,
    }


def range_cases() -> list[dict]:
    random = np.random.default_rng(7)
    places = np.linspace(0, 1, 100)
    fall = 2.3 - 1.6 / (1 + np.exp(-(places - 0.6) * 25))
    rise = np.exp(np.maximum(0, places - 0.82) * 40) - 1
    noise = random.normal(scale=0.05, size=100)
    curves = {
        "smooth": fall + rise,
        "noisy": fall + rise + noise,
        "early": 0.7 - 0.5 / (1 + np.exp(-(places - 0.25) * 30)) + np.exp(np.maximum(0, places - 0.45) * 30) - 1 + noise / 5,
        "never-falling": 1.0 + places + noise / 20,
        "always-falling": 3.0 - 2 * places,
    }
    return [range_case(name, rounded(np.abs(curve), 6)) for name, curve in curves.items()]


def write(name: str, cases: list, **more) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({"versions": VERSIONS, **more, "cases": cases}, separators=(",", ":")) + "\n")


def plain(tensors: dict) -> dict:
    return {name: value.tolist() for name, value in tensors.items()}


if __name__ == "__main__":
    start, gradients = draw(11)
    write("optimizers", optimizer_cases(start, gradients), start=plain(start), gradients=[plain(gradient) for gradient in gradients])
    write("schedules", schedule_cases())
    write("learning-rates", range_cases())
