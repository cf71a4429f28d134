"""The statistics, stored outcomes and page of benchmarks/tables.py, and its contenders on a small table."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from scipy.stats import ttest_rel

from benchmarks import table_contenders, table_page, tables
from benchmarks.table_contenders import CONTENDERS, NEW, OLD
from benchmarks.table_outcomes import Outcome, Outcomes, TableFacts
from benchmarks.table_sets import ABSENT, SETS, TARGET

SCORES = {"a": [0.75, 0.5, 0.25], "b": [0.5, 0.25, 0.0], "boosting": [0.5, 0.375, 0.625]}
WINE = next(table for table in SETS if table.name == "wine")


def outcome(
    contender: str, scores: dict[str, list[float | None]], says: str | None = None, **more: object
) -> Outcome:
    given = {"table": "t", "folds": 3, "settings": "s", "rows": "r", "seconds": 2.0} | more
    return Outcome(contender=contender, scores=scores, says=says, **given)  # type: ignore[arg-type]


def test_ranks_and_normalised_scores_are_of_the_means_over_folds() -> None:
    assert table_page.ranks(SCORES) == {"a": 1.5, "b": 3, "boosting": 1.5}
    assert table_page.normalised(SCORES) == pytest.approx({"a": 1.0, "b": 0.0, "boosting": 1.0})
    assert table_page.normalised({"a": SCORES["a"]}) == {"a": 1.0}


def test_a_difference_has_the_interval_of_the_paired_t_test() -> None:
    ours, theirs = [0.9, 0.85, 0.7, 0.8], [0.7, 0.8, 0.65, 0.7]
    interval = ttest_rel(ours, theirs).confidence_interval(0.95)
    assert table_page.difference(ours, theirs) == pytest.approx((0.1, interval.low, interval.high))
    assert table_page.difference([1.0], [0.5]) == (0.5, -math.inf, math.inf)


def test_the_page_comes_from_the_file_alone(tmp_path: Path) -> None:
    stored = Outcomes(tmp_path / "tables.json")
    stored.add_table("t", TableFacts("regression", 300, 4, 0, None))
    for name, r2, rmse, seconds, says in (
        (NEW, [0.5, 0.375, 0.625], [1.2, 1.2, 1.2], 6.0, ""),
        (OLD, [0.75, 0.375, 0.5], [1.2, 1.3, 1.2], 2.0, "a linear model reaches test/rmse 1.1"),
        ("boosting", [1.0, 0.875, 1.125], [1.0, 1.0, 1.0], 1.0, None),
    ):
        stored.add(outcome(name, {"r2": r2, "rmse": rmse}, says, seconds=seconds))
    stored.add(outcome("linear", {"r2": [9.0] * 3}, rows="other folds"))
    read = Outcomes(tmp_path / "tables.json")
    text = table_page.page(read)
    assert f"| {NEW} | 3.00 | 0.000 | 0 : 1 |  |  | 3.00 |" in text
    assert "| boosting | 1.00 | 1.000 |  | 1 : 0 |  | 0.50 |" in text
    assert f"| t | {NEW} | rmse 1.2 | 1 | **nothing** |" in text
    assert f"| t | {OLD} | rmse 1.233 | 1 | a linear model reaches test/rmse 1.1 |" in text
    assert f"{NEW} on 1, of which 1 say nothing; {OLD} on 1, of which 0 say nothing." in text
    assert "| t | 300 | 4 |  | r2 | 0.5000 | 0.5417 | 1.0000 |" in text, "other folds are not compared"
    assert all(name in text for name in ABSENT)
    assert tables.main(["--page"], tmp_path) == 0
    assert (tmp_path / "tables.md").read_text() == text


@pytest.mark.parametrize(
    ("task", "metric", "own", "behind"),
    [
        ("regression", "rmse", 1.04, False),
        ("regression", "rmse", 1.06, True),
        ("classification", "auroc", 0.991, False),
        ("classification", "auroc", 0.989, True),
    ],
)
def test_behind_is_five_percent_of_rmse_or_a_hundredth_of_auroc(
    task: str, metric: str, own: float, behind: bool
) -> None:
    facts = TableFacts(task, 300, 4, 2, None)
    assert table_page.is_behind(outcome("a", {metric: [own]}), outcome("b", {metric: [1.0]}), facts) is behind


def test_a_later_call_measures_only_what_is_missing_or_had_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def measure(table: object, name: str, folds: int, settings: str) -> list[Outcome]:
        if name == "tabm":
            raise ValueError("no")
        measured.append(name)
        return [outcome(name, {"accuracy": [1.0]}, table="wine", settings=settings)]

    monkeypatch.setattr(tables, "measure", measure)
    digests = {name: name for name in CONTENDERS}
    monkeypatch.setattr(tables, "settings_digest", lambda name, table, folds: digests[name])
    path = tmp_path / "tables.json"
    assert tables.measure_missing(Outcomes(path), [WINE], [NEW, OLD], 5) == 0
    assert measured == [NEW, NEW, OLD], "the first is measured twice, without the imports"
    measured.clear()
    assert tables.measure_missing(Outcomes(path), [WINE], [NEW, OLD], 5) == 0
    assert measured == []
    digests[OLD] = "other words"
    assert tables.measure_missing(Outcomes(path), [WINE], [NEW, OLD, "tabm"], 5) == 1, "one fails"
    assert measured == [OLD, OLD]
    measured.clear()
    assert tables.measure_missing(Outcomes(path), [WINE], [NEW], 5, again=True) == 0
    assert measured == [NEW, NEW]
    stored = json.loads(path.read_text())
    assert [one["contender"] for one in stored["outcomes"]] == sorted([NEW, OLD])
    assert stored["tables"]["wine"] == {
        "task": "classification",
        "rows": 178,
        "columns": 13,
        "classes": 3,
        "rarest": 0.2697,
    }


def test_other_words_and_other_folds_have_another_digest() -> None:
    digests = {table_contenders.settings_digest(name, WINE, 2) for name in (NEW, OLD)}
    digests.add(table_contenders.settings_digest(NEW, WINE, 3))
    assert len(digests) == 3
    assert table_contenders.settings_digest(NEW, WINE, 2) in digests


def test_at_least_25_tables_have_names_of_their_own_and_the_bundled_ones_a_target() -> None:
    assert len({table.name for table in SETS}) == len(SETS) >= 25
    bundled = [table for table in SETS if table.package is None]
    assert all(TARGET in table.rows().columns for table in bundled)


@pytest.mark.slow
@pytest.mark.usefixtures("fitted_baselines")
def test_contenders_baselines_and_other_packages_share_folds() -> None:
    found = table_contenders.measure(WINE, NEW, 2, "s")
    found += table_contenders.measure(WINE, "boosting, 100 trees", 2, "s")
    assert [each.contender for each in found] == [NEW, "linear", "boosting", "boosting, 100 trees"]
    assert len({each.rows for each in found}) == 1
    assert all(len(each.scores["accuracy"]) == 2 and each.mean("accuracy") > 0.8 for each in found)
    assert found[0].says is not None
    assert found[1].says is None
    assert found[0].seconds > found[1].seconds > 0
