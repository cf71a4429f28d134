"""harness/sweep/report/price_selection.py: from the files of trials to the price of the best one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from harness.core.task import Task
from harness.report.html.page_parts import Code, Text
from harness.runs.run_result import Result, summarise
from harness.runs.validation_rows import FILE, ValidationRows, write_validation
from harness.sweep.report.price_selection import price_selection
from harness.sweep.report.sweep_result import sum_up, write_best
from harness.sweep.report.trial_sections import selection as blocks_of
from harness.sweep.study.snapshot import Objective, Row, Snapshot

RIGHT = (57, 56, 40)
"""Of 60 rows, how many each trial predicts correctly."""

CONFIG = {
    "outputs": "outputs",
    "tags": {},
    "data": {"extract": {"_target_": "x.Source"}, "transform": {}},
    "split": {},
    "model": {},
    "trainer": {"monitor": "valid/accuracy"},
    "evaluate": {"_target_": "harness.evaluate.classification.Classification", "bins": 15},
    "tracking": {},
    "seed": 0,
}


def write_trial(home: Path, right: int, parameters: int, group: int = 1) -> None:
    home.mkdir(parents=True)
    target = np.arange(60) % 2
    sign = np.where((np.arange(60) * 7) % 60 < right, 1.0, -1.0)
    row = np.arange(60)
    rows = ValidationRows(
        Task("binary", ("no", "yes")),
        np.zeros(60, dtype=np.int32),
        row,
        row // group,
        target,
        (sign * (2 * target - 1)).astype(np.float32),
    )
    write_validation(rows, home / FILE)
    scores = {"valid/accuracy": summarise([right / 60]), "model/parameters": summarise([float(parameters)])}
    Result(status="finished", scores=scores).write(home / "result.json")
    (home / "config.yaml").write_text(yaml.safe_dump(CONFIG))


def snapshot(name: str = "valid/accuracy") -> Snapshot:
    rows = [
        Row(place, "complete", {"lr": (0.1, 0.3, 0.5)[place]}, (right / 60,), folder=str(place))
        for place, right in enumerate(RIGHT)
    ]
    return Snapshot((Objective(name, "maximize"),), tuple(rows), 3)


def command_of(row: Row) -> str:
    return f"train {row.number}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, right in enumerate(RIGHT):
        write_trial(tmp_path / str(number), right, 1000 if number == 0 else 10)
    return tmp_path


def test_the_best_trial_has_a_price_and_a_simpler_equivalent(folder: Path) -> None:
    found, reason = price_selection(folder, snapshot())
    assert found is not None, reason
    assert (found.trials, found.rows, found.groups) == (3, 60, None)
    low, high = found.ci95
    assert 0.8 < low < found.expected < 57 / 60 + 0.01
    assert 57 / 60 < high < 1
    assert found.equivalent == [0, 1]
    assert found.simplest == {"number": 1, "parameters": 10.0, "seconds": None}
    assert found.sentence.startswith(
        f"after choosing among 3 trials expect valid/accuracy {found.expected:.4f} ["
    )
    assert found.equivalents_sentence == (
        "1 trial cannot be distinguished from the best; "
        "the simplest is trial 1 (10 parameters instead of 1,000)"
    )
    uncounted = replace(found, simplest=found.simplest | {"parameters": None})
    assert uncounted.equivalents_sentence.endswith("the simplest is trial 1")
    assert found.default is None
    for point, number in (({"lr": 0.3}, 1), ({"lr": 0.9}, None)):
        compared, _ = price_selection(folder, snapshot(), point)
        assert compared is not None
        assert compared.default == number
        said = (
            "1 trial, the default configuration (trial 1) among them, cannot be distinguished from the best;"
        )
        assert compared.equivalents_sentence.startswith(said) == (number == 1)
    page = [block.text for block in blocks_of(snapshot(), found, command_of) if isinstance(block, Text)]
    assert "60 validation rows" in str(page[0])
    write_best(folder, snapshot(), command_of, found.as_dict())
    best = yaml.safe_load((folder / "best.yaml").read_text())
    assert best["recommended"] == {"number": 0, "command": "train 0"}
    assert best["equivalent"] == [0, 1]
    assert best["simplest"]["command"] == "train 1"
    assert best["expected"]["ci95"] == found.ci95
    assert sum_up(folder, snapshot(), "finished", 1.0, "").selection is None


@pytest.mark.parametrize(("default", "use"), [(0.1, 0), (0.3, 1), (0.5, 0), (0.9, 0)])
def test_the_default_is_recommended_where_no_trial_is_known_to_be_better(
    folder: Path, default: float, use: int
) -> None:
    found, reason = price_selection(folder, snapshot(), {"lr": default})
    assert found is not None, reason
    assert (
        found.recommended == found.as_dict()["recommended"] == use
    )  # 57 and 56 of 60 rows are right, then 40
    said = "use trial 1, the default: that another trial is better may be chance"
    assert found.recommendation == (said if use == 1 else "")
    blocks = blocks_of(snapshot(), found, command_of)
    assert any("Use trial 1" in str(block) for block in blocks) == (use == 1)
    assert (Code("train 1") in blocks) == (use == 1)
    write_best(folder, snapshot(), command_of, found.as_dict())
    best = yaml.safe_load((folder / "best.yaml").read_text())
    assert (best["number"], best["recommended"]) == (0, {"number": use, "command": f"train {use}"})


def test_groups_and_repeats_are_counted_once(tmp_path: Path) -> None:
    for number, right in enumerate(RIGHT):
        for seed in (0, 1):
            write_trial(tmp_path / str(number) / f"seed-{seed}", right, 10, group=5)
    found, reason = price_selection(tmp_path, snapshot())
    assert found is not None, reason
    assert (found.rows, found.groups) == (60, 12)
    assert found.simplest["number"] == 0


def test_a_loss_that_is_the_log_loss_has_its_price(folder: Path) -> None:
    logits = np.array([-1.0, 1.0])
    wrong, right = np.log1p(np.exp(-logits))
    losses = [(right * count + wrong * (60 - count)) / 60 for count in RIGHT]
    rows = tuple(replace(row, values=(loss,)) for row, loss in zip(snapshot().rows, losses, strict=True))
    found, reason = price_selection(folder, Snapshot((Objective("valid/loss", "minimize"),), rows, 3))
    assert found is not None, reason
    assert found.ci95[0] < losses[0] < found.ci95[1]


def test_a_steady_score_is_priced_by_its_value_and_the_rows_of_the_best_epoch(folder: Path) -> None:
    plain, _ = price_selection(folder, snapshot())
    rows = tuple(replace(row, values=(row.values[0] - 0.1,)) for row in snapshot().rows if row.values)
    now = Snapshot((Objective("valid/accuracy_steady", "maximize"),), rows, 3)
    found, reason = price_selection(folder, now)
    assert found is not None, reason
    assert plain is not None
    assert found.expected == pytest.approx(plain.expected - 0.1)
    assert found.equivalent == plain.equivalent


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("valid/loss", None, "valid/loss cannot be computed from stored predictions"),
        ("train/loss", None, "train/loss is no score of predictions"),
        ("valid/accuracy", "missing", "the predictions of its trials are not here"),
        ("valid/accuracy", "broken", "is damaged"),
        ("valid/log_loss", None, "valid/log_loss of the stored predictions differs from that of the trials"),
    ],
)
def test_what_cannot_be_priced_has_a_reason(folder: Path, name: str, damage: str | None, reason: str) -> None:
    if damage == "missing":
        (folder / "0" / FILE).unlink()
    elif damage == "broken":
        (folder / "0" / FILE).write_text("x")
    found, given = price_selection(folder, snapshot(name))
    assert found is None
    assert given is not None
    assert reason in given


def test_a_single_trial_is_no_choice(folder: Path) -> None:
    alone = Snapshot(snapshot().objectives, snapshot().rows[:1], 1)
    assert price_selection(folder, alone) == (None, None)
