"""A source of the user's own runs with a yaml that names it, and is kept like ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_source"
WORDS = ["--config-dir", str(EXAMPLE / "conf"), "data/extract=thermometers"]
FAST = ["tracking=none", "trainer.device=cpu", "trainer.epochs=3", "model.widths=[8]"]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))


def test_it_is_one_word_like_any_other(run_cli: Any, here: Path) -> None:
    path = f"data.extract.path={EXAMPLE / 'readings.jsonl'}"
    words = [*WORDS, path, "split=group_kfold", "split.folds=3", "data.cache.worth=0", *FAST]
    answer = run_cli(*words)
    assert answer.status == 0, answer.err
    assert (
        "72 rows, 8 features, binary target state, 2 classes (positive: ok), 12 groups by device"
        in answer.out
    )
    assert "cache    rows in " in run_cli(*words).out


def test_its_errors_are_reported_like_ours(run_cli: Any, here: Path) -> None:
    (here / "torn.jsonl").write_text('{"device": "a", "hours": [1.0], "state": "ok"}\n{"device": "a"}\n')
    answer = run_cli(*WORDS, "data.extract.path=torn.jsonl", *FAST)
    assert (answer.status, answer.out) == (2, "")
    assert (
        answer.err == "error: line 2 of data.extract.path=torn.jsonl is no reading ('hours'); correct it.\n"
    )
