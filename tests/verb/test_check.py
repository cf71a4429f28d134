from __future__ import annotations

from pathlib import Path
from typing import Any


def test_a_configuration_that_fits_is_described_and_nothing_is_written(knock: Any, here: Path) -> None:
    answer = knock(
        "check", "data/extract=iris", "model.widths=[8]", "split=stratified_kfold", "trainer.epochs=7"
    )
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "mlp-supervised-iris: 150 rows, 5 folds, the first of 102 train, 18 valid, 30 test;",
        "40 parameters, 7 epochs.",
        "auto: trainer.loss=cross_entropy",
        "auto: evaluate=classification",
        "auto: trainer.monitor=valid/accuracy",
        "! 2 of 150 test rows in 2 of 5 folds hold the same features as training rows (row 142 as row 101 "
        "and row 101 as row 142), so that remembering is scored as knowing; take the copies out, or name a "
        "column that copies share with data.extract.group=COLUMN and use split=group_kfold, or set "
        "split.guard=off if they are true repeats.",
        "It fits.",
    ]
    assert list(here.iterdir()) == []


def test_what_a_run_would_refuse_is_refused(knock: Any, here: Path) -> None:
    answer = knock("check", "data/extract=iris", "model=resnet18")
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("error: model=resnet18 takes images, and iris gives rows of 4 features; ")
