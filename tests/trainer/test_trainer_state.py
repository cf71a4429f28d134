"""Every global generator is put back where it was, and a copied state stays as it is."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch

from harness.trainer.random_state import copied, generators, set_generators

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "draw",
    [lambda: torch.rand(3).tolist(), lambda: np.random.normal(size=3).tolist(), lambda: random.gauss(0, 1)],
    ids=["torch", "numpy", "python"],
)
def test_a_generator_draws_the_same_numbers_again(draw: Callable[[], object]) -> None:
    draw()  # numpy and python keep a second normal number back
    state = generators(CPU)
    first = draw()
    draw()
    set_generators(state, CPU)
    assert draw() == first


def test_the_state_is_read_back_without_pickle() -> None:
    file = io.BytesIO()
    state = generators(CPU)
    torch.save(state, file)
    file.seek(0)
    read = torch.load(file, weights_only=True)
    assert torch.equal(read.pop("torch"), state.pop("torch"))
    assert read == state


@pytest.mark.parametrize(("name", "named"), [("cuda:1", (torch.device("cuda:1"),)), ("mps", ())])
def test_another_device_than_the_cpu_has_a_generator_of_its_own(
    monkeypatch: pytest.MonkeyPatch, name: str, named: tuple[torch.device, ...]
) -> None:
    class Module:
        state = 1

        def get_rng_state(self, *device: torch.device) -> int:
            assert device == named
            return self.state

        def set_rng_state(self, state: int, *device: torch.device) -> None:
            assert device == named
            self.state = state

    module, device = Module(), torch.device(name)
    monkeypatch.setattr(torch, "get_device_module", lambda device: module)
    state = generators(device)
    module.state = 2
    set_generators(state, device)
    assert module.state == 1
    module.state = 2
    set_generators(generators(CPU), device)
    assert module.state == 2


def test_a_copy_shares_no_tensor_with_what_it_is_of() -> None:
    tensor = torch.zeros(2)
    copy = copied({"a": [tensor, 1.5], "b": (tensor, {"c": tensor}), "d": "text"})
    tensor.fill_(1)
    assert copy["a"][0].tolist() == [0, 0]
    assert copy["a"][1] == 1.5
    assert copy["b"][0].tolist() == [0, 0]
    assert copy["b"][1]["c"].tolist() == [0, 0]
    assert copy["d"] == "text"
