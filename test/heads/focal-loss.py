"""Writes focal-loss.json: the focal loss and its gradient, by the arithmetic of torch in float64.

Run:  pip install torch==2.9.1 && python focal-loss.py && npx prettier --write focal-loss.json
"""

import json
from pathlib import Path

import torch

LOGITS = [[2.0, 1.0, 0.0], [0.3, -1.2, 2.5], [-4.0, 5.0, 0.5], [0.0, 0.0, 0.0], [12.0, -3.0, 1.0]]
TARGETS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.7, 0.3], [0.2, 0.5, 0.3], [1.0, 0.0, 0.0]]

cases = []
for gamma in (0.0, 0.5, 1.0, 2.0, 5.0):
    for smoothing in (0.0, 0.1):
        logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
        target = torch.tensor(TARGETS, dtype=torch.float64) * (1 - smoothing) + smoothing / 3
        logs = torch.log_softmax(logits, dim=1)
        loss = -(target * (1 - logs.exp()) ** gamma * logs).sum(dim=1)
        loss.sum().backward()
        cases.append({"gamma": gamma, "smoothing": smoothing, "loss": loss.tolist(), "gradient": logits.grad.tolist()})
lines = ",\n".join("  " + json.dumps(case) for case in cases)
head = json.dumps({"torch": torch.__version__.split("+")[0], "logits": LOGITS, "targets": TARGETS})[:-1]
Path(__file__).with_suffix(".json").write_text(f'{head}, "cases": [\n{lines}\n] }}\n')
