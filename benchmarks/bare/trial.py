"""One trial of a sweep, as one writes it by hand: a small network on rows in memory.

`train` gives the best validation accuracy of a training with AdamW, warm-up and cosine; every epoch is
scored with the scores that the harness uses, and the weights of the best are kept. It needs nothing
but torch and NumPy, so that every sweeper can call it in an environment of its own.
"""

import math
import time

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

BATCH, WIDTH, BINS = 64, 64, 15


def read(path):
    """(inputs, targets) of the training rows and of the validation rows."""
    with np.load(path) as arrays:
        inputs, targets, others, answers = (arrays[name] for name in arrays.files)
    return torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(others), answers


def scores_of(logits, targets):
    """Of two classes, from (n,) logits and (n,) targets 0 or 1."""
    chances = 1 / (1 + np.exp(-logits.astype(float)))
    right = np.where(targets == 1, chances, 1 - chances)
    loss = -np.log(np.maximum(right, 1e-12)).mean()
    predicted = logits > 0
    agree = predicted == (targets == 1)
    f1 = 0.0
    for name in (0, 1):
        hits = (agree & (targets == name)).sum()
        f1 += hits / max(1, (predicted == name).sum() + (targets == name).sum())
    ranks = np.empty(len(logits))
    ranks[np.argsort(logits)] = np.arange(1, len(logits) + 1)
    ones = int((targets == 1).sum())
    auroc = (ranks[targets == 1].sum() - ones * (ones + 1) / 2) / max(1, ones * (len(targets) - ones))
    confidence = np.maximum(chances, 1 - chances)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(place, weights=agree - confidence, minlength=BINS)
    ece = np.abs(gaps).sum() / len(targets)
    return {"loss": loss, "accuracy": agree.mean(), "f1": f1, "auroc": auroc, "log_loss": loss, "ece": ece}


def accuracy_of(logits, targets):
    return {"accuracy": ((logits > 0) == (targets == 1)).mean()}


def mover(parameters, lr, steps):
    groups = [
        {"params": [parameter for parameter in parameters if parameter.ndim > 1], "weight_decay": 0.01},
        {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr, fused=True)
    rising = max(1, round(0.1 * steps))

    def factor(step):
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def train(data, lr, epochs, scores=scores_of, report=None, batch=BATCH):
    """The best accuracy; `report` is called with (epoch, best so far)."""
    inputs, targets, others, answers = data
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(inputs.shape[1], WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, 1),
        nn.Flatten(0),
    )
    parameters = list(model.parameters())
    optimizer, scheduler = mover(parameters, lr, epochs * math.ceil(len(inputs) / batch))
    best, weights = -1.0, None
    for epoch in range(1, epochs + 1):
        model.train()
        total = torch.zeros(())
        for rows in torch.randperm(len(inputs)).split(batch):
            logits = model(inputs.index_select(0, rows))
            loss = binary_cross_entropy_with_logits(logits, targets.index_select(0, rows))
            loss.backward()
            optimizer.step()
            for parameter in parameters:
                parameter.grad = None
            scheduler.step()
            total += loss.detach()
        total.item()
        model.eval()
        with torch.inference_mode():
            accuracy = float(scores(model(others).numpy(), answers)["accuracy"])
        if accuracy >= best:
            best, weights = accuracy, {name: value.clone() for name, value in model.state_dict().items()}
        if report is not None:
            report(epoch, best)
    model.load_state_dict(weights)
    return best


class Watch:
    """Notes when each trial began and ended, one line each, in a file that several processes may share."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.began = time.time()

    def __exit__(self, *error):
        with open(self.path, "a") as file:
            file.write(f"{self.began} {time.time()}\n")
