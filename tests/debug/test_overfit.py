"""debug=overfit finds out whether a model can learn a single batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from harness.core.errors import Unproved
from harness.debug.overfit import Overfit

WORDS = ("debug=overfit", "data.load.batch_size=8", "trainer.optimizer.lr=0.03")


def test_one_batch_is_learned_and_nothing_is_left_to_run(study: Callable[..., Any]) -> None:
    made = study(*WORDS)
    assert made.run() is None
    (note,) = made.notebook.notes
    assert note.startswith("the loss of one batch fell from ")
    first, last = (float(word) for word in note.split()[7:10:2])
    assert last <= 0.1 * first
    assert made.experiment.trainer.step == int(note.split()[11])


def freeze(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.data.zero_()
        parameter.requires_grad = False


def test_a_model_that_cannot_learn_is_reported_with_its_loss(study: Callable[..., Any]) -> None:
    made = study(*WORDS, "trainer.steps=5", "trainer.optimizer.lr=1e-9", change=freeze)
    sentence = (
        r"^the loss of one batch was to fall from 1\.\d+ to 0\.1\d+ and reached 1\.\d+ in 5 steps; try "
        r"another trainer\.optimizer\.lr \(debug=lr finds one\), more trainer\.steps or less regularisation, "
        r"set debug\.falls_to higher where the loss has a floor \(label smoothing, most contrastive methods\)"
        r", and look whether the targets belong to their rows\.$"
    )
    with pytest.raises(Unproved, match=sentence):
        made.run()
    assert made.notebook.notes == []


def test_a_stop_ends_it_without_a_verdict(study: Callable[..., Any]) -> None:
    made = study(*WORDS)
    assert made.run(stop=lambda: True) is None
    assert made.notebook.notes == []
    assert made.experiment.trainer.step == 1


@pytest.mark.parametrize(("first", "goal"), [(2.0, 0.5), (-1.0, -1.75), (0.0, 0.0)])
def test_the_goal_is_a_share_of_the_first_loss_below_zero_too(first: float, goal: float) -> None:
    assert Overfit(falls_to=0.25).goal(first) == goal


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match=f"^falls_to must be auto, or above 0 and below 1, got {share}$"):
        Overfit(falls_to=share)


def test_a_failure_is_one_sentence_and_exit_status_one(run_cli: Callable[..., Any], here: Path) -> None:
    small = ("data/extract=iris", "trainer.device=cpu", "trainer.optimizer.lr=1e-9", "trainer.steps=3")
    answer = run_cli("debug=overfit", *small)
    assert answer.status == 1
    assert answer.err.startswith("error: the loss of one batch was to fall from ")
    assert answer.err.count("\n") == 1
    (folder,) = (here / "outputs" / "debug").iterdir()
    assert '"failed"' in (folder / "result.json").read_text()
