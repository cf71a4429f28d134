"""harness/trainer/setting_ranges.py"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from harness.config.choice_files import yamls
from harness.config.instantiate import target
from harness.core.errors import UserError
from harness.runtime.config_nodes import load_plain
from harness.trainer.lars import LARS
from harness.trainer.setting_ranges import check_ranges

INF, NAN = float("inf"), float("nan")


class Own(torch.optim.SGD):
    """An optimizer of another package."""


def group_of(made: Any) -> str:
    return "trainer.scheduler" if made.__module__.endswith("lr_scheduler") else "trainer.optimizer"


@pytest.mark.parametrize(
    ("made", "name", "value", "rule"),
    [
        (torch.optim.AdamW, "lr", 0, "must be a finite number above 0, got 0; the usual value is 0.003."),
        (torch.optim.Adam, "lr", -1, "must be a finite number above 0, got -1; the usual value is 0.003."),
        (torch.optim.SGD, "lr", NAN, "must be a finite number above 0, got nan; the usual value is 0.05."),
        (LARS, "lr", INF, "must be a finite number above 0, got inf; the usual value is 0.3."),
        (torch.optim.NAdam, "lr", 0.0, "must be a finite number above 0, got 0.0."),
        (torch.optim.Adam, "eps", 0, "must be a finite number above 0, got 0; the usual value is 1e-08."),
        (
            torch.optim.SGD,
            "weight_decay",
            -0.1,
            "must be a finite number of at least 0, got -0.1; the usual value is 0.0005.",
        ),
        (torch.optim.SGD, "momentum", 1, "must be at least 0 and below 1, got 1; the usual value is 0.9."),
        (torch.optim.SGD, "dampening", 2, "must be at least 0 and below 1, got 2; the usual value is 0.0."),
        (torch.optim.RMSprop, "alpha", 1, "must be at least 0 and below 1, got 1; the usual value is 0.99."),
        (lr_scheduler.StepLR, "step_size", 0, "must be at least 1, got 0; the usual value is 10."),
        (lr_scheduler.CosineAnnealingLR, "T_max", 0, "must be at least 1, got 0."),
        (
            lr_scheduler.ExponentialLR,
            "gamma",
            0,
            "must be a finite number above 0, got 0; the usual value is 0.9.",
        ),
        (lr_scheduler.OneCycleLR, "pct_start", 2, "must be between 0 and 1, got 2; the usual value is 0.3."),
        (
            lr_scheduler.ReduceLROnPlateau,
            "factor",
            1,
            "must be above 0 and below 1, got 1; the usual value is 0.3.",
        ),
    ],
)
def test_a_number_with_which_nothing_is_trained_is_refused(
    made: Any, name: str, value: Any, rule: str
) -> None:
    key = group_of(made)
    with pytest.raises(UserError) as caught:
        check_ranges(partial(made, **{name: value}), key)
    assert str(caught.value) == f"{key}.{name} {rule}"
    assert (caught.value.key, caught.value.value) == (f"{key}.{name}", pytest.approx(value, nan_ok=True))


def test_each_number_of_a_list_has_the_range() -> None:
    words = (
        r"^each number of trainer\.optimizer\.betas must be at least 0 and below 1, got \[0\.9, 1\.0\]; "
        r"the usual value is \[0\.9, 0\.999\]\.$"
    )
    with pytest.raises(UserError, match=words):
        check_ranges(partial(torch.optim.AdamW, betas=[0.9, 1.0]), "trainer.optimizer")


def test_other_kinds_of_values_and_other_packages_are_left_to_the_class() -> None:
    check_ranges(partial(torch.optim.Adafactor, eps=(None, 0.001)), "trainer.optimizer")
    check_ranges(
        partial(torch.optim.SGD, lr=torch.tensor(0.1), weight_decay=0, momentum=0), "trainer.optimizer"
    )
    check_ranges(partial(lr_scheduler.ReduceLROnPlateau, eps=0, patience=0), "trainer.scheduler")
    check_ranges(partial(Own, lr=-1), "trainer.optimizer")
    check_ranges(lambda parameters: torch.optim.SGD(parameters, lr=0), "trainer.optimizer")
    check_ranges(None, "trainer.scheduler")


@pytest.mark.parametrize("key", ["trainer.optimizer", "trainer.scheduler"])
def test_the_values_of_every_choice_are_in_their_ranges(key: str) -> None:
    files = yamls(key.replace(".", "/"))
    assert len(files) >= 5
    for path in files.values():
        node = load_plain(path)
        numbers = {name: value for name, value in node.items() if not name.startswith("_")}
        check_ranges(partial(target(node, key), **numbers), key)
