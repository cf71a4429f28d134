"""An evaluation computes the scores that are named, with the values that it gives when it computes all."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from harness.core.task import Task
from harness.evaluate.classification import Classification
from harness.evaluate.multilabel import Multilabel
from harness.evaluate.regression import Regression
from harness.evaluate.representation import Representation
from harness.evaluate.scored_rows import validated

_DRAWN = torch.Generator().manual_seed(0)
_CODES, _SIGNS = torch.arange(40) % 3, (torch.arange(80).reshape(40, 2) % 3 == 0)
CASES: dict[str, tuple[Any, Task, Any, Any, Any]] = {
    "classification": (Classification(), Task("multiclass", ("a", "b", "c")), cross_entropy, 3, _CODES),
    "multilabel": (
        Multilabel(),
        Task("multilabel", ("a", "b")),
        lambda outputs, targets: binary_cross_entropy_with_logits(outputs, targets.to(outputs.dtype)),
        2,
        _SIGNS.float(),
    ),
    "regression": (Regression(), Task("regression"), mse_loss, 1, torch.arange(40.0)),
    "representation": (Representation(), Task("multiclass", ("a", "b", "c")), None, 3, _CODES),
}


@pytest.mark.parametrize("case", CASES)
def test_a_named_score_is_that_of_all(case: str, make_loaders: Any, echo: Any) -> None:
    evaluator, task, loss, width, targets = CASES[case]
    outputs = torch.randn(40, width, generator=_DRAWN)
    loaders = make_loaders(task, (outputs, targets), valid=(outputs, targets))
    predictor = echo(task, loss)
    every = validated(evaluator, predictor, loaders, None)
    assert len(every) > 1
    for name in every:
        named = validated(evaluator, predictor, loaders, {name})
        assert named == {other: every[other] for other in every if other in (name, "loss")}


def test_an_evaluation_of_ones_own_that_does_not_know_names_gives_all(make_loaders: Any, echo: Any) -> None:
    class Own:
        names = ("one", "two")

        def validate(self, predictor: Any, loaders: Any) -> dict[str, float]:
            return {"one": 1.0, "two": 2.0}

    own: Any = Own()
    task = Task("multiclass", ("a", "b"))
    loaders = make_loaders(task, (torch.zeros(2, 2), torch.tensor([0, 1])))
    assert validated(own, echo(task), loaders, {"one"}) == {"one": 1.0, "two": 2.0}
