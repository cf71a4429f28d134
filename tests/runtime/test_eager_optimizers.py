"""Optimizers import torch's compiler only where something is compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RUNS = """
import sys
from harness import run
for words in sys.argv[1:]:
    run(*words.split(), "trainer.epochs=1", "trainer.device=cpu", "tracking=none")
    print(words, sorted({"torch._dynamo", "torch._inductor"} & set(sys.modules)))
"""

OPTIMIZERS = """
import sys
import torch
from harness.runtime.eager_optimizers import skip_dynamo

def trained(kind):
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(3, 2))
    optimizer = kind([weight], lr=0.1)
    for _ in range(3):
        def loss():
            optimizer.zero_grad()
            value = weight.square().sum()
            value.backward()
            return value
        optimizer.step(loss)
    optimizer.load_state_dict(optimizer.state_dict())
    return weight.detach()

NAMES = ("Adam", "AdamW", "SGD", "RMSprop", "Adagrad", "LBFGS", "NAdam")
KINDS = [getattr(torch.optim, name) for name in NAMES]
if sys.argv[1] == "skip":
    skip_dynamo()
torch.save([trained(kind) for kind in KINDS], sys.argv[2])
print("torch._dynamo" in sys.modules)
"""


def printed(program: str, *words: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_no_run_imports_the_compiler(here: Path) -> None:
    plain = "data/extract=iris trainer/optimizer=sgd baseline=off evaluate/importance=off"
    runs = ["data/extract=iris", plain, "trainer=contrastive split.test=0.9"]
    ends = printed(RUNS, *runs)
    assert [line for line in ends if line.startswith(tuple(runs))] == [f"{words} []" for words in runs]


def test_the_optimizers_take_the_same_steps(here: Path) -> None:
    import torch

    assert printed(OPTIMIZERS, "skip", "skipped.pt") == ["False"]
    assert printed(OPTIMIZERS, "plain", "plain.pt") == ["True"]
    for skipped, plain in zip(torch.load("skipped.pt"), torch.load("plain.pt"), strict=True):
        assert torch.equal(skipped, plain)
