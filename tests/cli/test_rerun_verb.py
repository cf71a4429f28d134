from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.runs.outputs import Outputs

TABLE = "data/extract=breast_cancer"


@pytest.fixture
def made(finished: Callable[..., Path], here: Path) -> Path:
    shutil.copytree(finished(TABLE).parents[1], here / "outputs")
    return here / "outputs/runs/made"


def test_a_rerun_is_a_run_that_can_be_made_again(run_cli: Any, made: Path) -> None:
    answer = run_cli("rerun", "last", "seed=1")
    assert (answer.status, answer.err) == (0, "")
    assert "Changed: seed 0 -> 1." in answer.out
    assert "seed 1, as mlp-supervised-breast_cancer-rerun." in answer.out
    assert "test/accuracy" in answer.out
    new = Outputs(Path("outputs")).find("last")
    assert new.folder != made
    assert new.result is not None
    assert new.result.command == "python -m harness rerun made seed=1"
    assert new.config.seed == 1
    assert new.name == "mlp-supervised-breast_cancer-rerun"  # each name finds one run
    dry = run_cli("rerun", new.name, "--dry").out
    assert dry.startswith(
        f"Rerun of {new.label} ({new.name}) from its stored configuration, seed 1, as {new.name}-2."
    )
    assert ", as mine." in run_cli("rerun", "made", "--dry", "name=mine").out


def test_each_mistake_is_one_sentence(run_cli: Any, made: Path) -> None:
    assert run_cli("rerun", "mode").err.startswith("error: mode is no run below outputs; did you mean made?")
    sentences = {
        ("made", "sweep.trials=3"): "error: sweep.trials=3 is a setting of sweeps",
        ("made", "--allow", "os", "--dry"): "",
        ("made", "--bad"): "error: unrecognized arguments: --bad; `python -m harness rerun --help`",
        (): "error: the following arguments are required: run, overrides; ",
    }
    for words, sentence in sentences.items():
        answer = run_cli("rerun", *words)
        assert answer.err.startswith(sentence[:40])
        assert answer.status == (2 if sentence else 0)


def test_a_variable_that_is_not_set_is_named(run_cli: Any, made: Path) -> None:
    config = made / "config.yaml"
    config.write_text(config.read_text().replace("tags: {}", "tags: {who: '${oc.env:NOBODY_SET}'}"))
    answer = run_cli("rerun", "made", "--dry")
    assert answer.status == 2
    assert "NOBODY_SET, which is not set" in answer.err
    assert run_cli("rerun", "made", "--dry", "tags.who=me").status == 0
