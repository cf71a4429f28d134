"""debug=anomaly names where the first number that is not finite comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from harness.core.errors import Diverged
from harness.debug.anomaly import finite


class Root(nn.Module):
    """The square root of zero: finite, with a gradient that is not, times zero."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + (inputs * 0).sqrt() * 0


def spoil(model: nn.Module) -> None:
    next(part for part in model.modules() if isinstance(part, nn.Linear)).weight.data[0, 0] = torch.inf


def overflow(model: nn.Module) -> None:
    next(part for part in model.modules() if isinstance(part, nn.Linear)).weight.data.fill_(3e38)


def root(model: nn.Module) -> None:
    parent, name = next(
        (part, name)
        for part in model.modules()
        for name, child in part.named_children()
        if isinstance(child, nn.Linear)
    )
    setattr(parent, name, nn.Sequential(getattr(parent, name), Root()))


@pytest.mark.filterwarnings("ignore:Error detected in SqrtBackward0")
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            spoil,
            r"^model\.[\w.]+ \(Linear\) is the first module whose output is not finite, in step 1: its "
            r"weight is not finite either; try a lower trainer\.optimizer\.lr or .*\.update\.clip_norm=1\.$",
        ),
        (overflow, r"output is not finite, in step 1: its input and its weights are finite; try a lower"),
        (
            root,
            r"^the backward pass of \w+Backward0 gave NaN in step 1, though all that came before it was "
            r"finite; the stack of calls above shows its forward pass\.$",
        ),
    ],
    ids=["weight", "output", "gradient"],
)
def test_the_first_number_that_is_not_finite_is_located(
    study: Callable[..., Any], change: Callable[..., Any], sentence: str
) -> None:
    with pytest.raises(Diverged, match=sentence):
        study("debug=anomaly", change=change).train()


def test_an_input_that_is_not_finite_is_distinguished_from_an_output(study: Callable[..., Any]) -> None:
    made = study("debug=anomaly")
    object.__setattr__(made.experiment, "augment", lambda inputs: inputs / 0)
    sentence = (
        r"is the first module to meet a number that is not finite, in its input, in step 1; look for extreme "
        r"values in the data and in the augmentation\.$"
    )
    with pytest.raises(Diverged, match=sentence):
        made.train()


def test_another_fault_stays_what_it_is(study: Callable[..., Any]) -> None:
    made = study("debug=anomaly")
    with (
        pytest.raises(RuntimeError, match=r"^something else$"),
        made.mode(made.experiment, made.notebook, lambda: False),
    ):
        raise RuntimeError("something else")


def test_afterwards_nothing_is_looked_at_any_more(study: Callable[..., Any]) -> None:
    made = study("debug=anomaly", "trainer.epochs=1")
    made.train()
    assert not torch.is_anomaly_enabled()
    layer = nn.Linear(1, 1)
    layer.weight.data.fill_(torch.nan)
    assert layer(torch.ones(1)).isnan().all()


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (torch.tensor([1.0, torch.inf]), False),
        (torch.tensor([1, 2]), True),
        ((torch.ones(1), [torch.tensor(torch.nan)]), False),
        ({"a": torch.ones(1), "b": None}, True),
        ("text", True),
    ],
)
def test_finite_looks_into_tuples_lists_and_dicts(value: object, right: bool) -> None:
    assert finite(value) is right
