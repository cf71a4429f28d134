"""debug=fast proves a configuration end to end on two batches of everything."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from harness.config.compose import compose
from harness.debug.debug_mode import Off, mode
from harness.debug.fast import Fast
from harness.run import run

IRIS = ["debug=fast", "data/extract=iris", "model.widths=[8]", "trainer.device=cpu", "data.cache=off"]


def test_without_debug_there_is_no_mode() -> None:
    debug = mode(compose([]))
    assert isinstance(debug, Off)
    assert (debug.folds, debug.says) == (None, "")


def test_the_stored_configuration_has_the_changed_settings() -> None:
    cfg = compose(["debug=fast", "experiment=digits_by_writer"])
    assert (cfg.trainer.epochs, cfg.trainer.steps, cfg.trainer.minutes) == (1, None, None)
    assert cfg.tracking._target_ == "harness.tracking.none.Untracked"
    assert (cfg.debug.batches, cfg.debug.folds) == (2, 2)


def test_the_users_settings_take_precedence() -> None:
    cfg = compose(["debug=fast", "trainer.epochs=3", "debug.batches=5"])
    assert (cfg.trainer.epochs, cfg.debug.batches) == (3, 5)


def test_a_run_takes_two_steps_per_fold_of_two_folds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "split=stratified_kfold",
        "split.folds=5",
        "data.load.batch_size=16",
        "data.load.eval_batch_size=8",
    ]
    result = run(compose([*IRIS, *words]), tmp_path / "run")
    assert (result.status, result.folds) == ("finished", 2)
    predictions = pd.read_csv(tmp_path / "run" / "predictions.csv")
    assert predictions.fold.value_counts().to_dict() == {0: 16, 1: 16}
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["debug"] == {"_target_": "harness.debug.fast.Fast", "batches": 2, "folds": 2}
    printed = capsys.readouterr().out
    assert (
        "! debug=fast: an epoch has 2 batches, and validation and test have as many; of several folds"
        in printed
    )


def test_its_folder_is_separate_from_those_of_runs(run_cli: Callable[..., Any], here: Path) -> None:
    answer = run_cli(*IRIS)
    assert answer.status == 0, answer.err
    (folder,) = (here / "outputs" / "debug").iterdir()
    assert json.loads((folder / "result.json").read_text())["status"] == "finished"
    assert not (here / "outputs" / "runs").exists()


@pytest.mark.parametrize("name", ["batches", "folds"])
def test_a_count_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be 1 or more, got 0$"):
        Fast(**({"batches": 2, "folds": 2} | {name: 0}))


def test_a_word_that_is_no_mode_is_refused(run_cli: Callable[..., Any]) -> None:
    answer = run_cli("debug=quick")
    assert answer.status == 2
    assert "debug has no choice 'quick'" in answer.err


def test_a_method_that_remembers_each_row_without_a_label_knows_those_of_the_batches(tmp_path: Path) -> None:
    words = ["trainer=semi_supervised", "trainer/method=flexmatch", "split.labelled=9"]
    batches = ["data.load.batch_size=8", "data.load.eval_batch_size=8"]
    assert run(compose([*IRIS, *words, *batches]), tmp_path / "run").status == "finished"
