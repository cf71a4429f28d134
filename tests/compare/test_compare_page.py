"""The page needs no network, escapes what it is given, and links to MLflow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from harness.compare.compare_runs import compare
from harness.compare.html_page import comparison_page
from harness.compare.mlflow_links import links
from harness.runs.stored_run import StoredRun

Make = Callable[..., Path]


def test_the_page_holds_leaderboard_tests_and_differences_and_loads_nothing(
    make: Make, outputs: Path
) -> None:
    make("a", {"test/accuracy": [0.9, 0.8, 0.9]}, trainer__note="<script>alert(1)</script>")
    make("b", {"test/accuracy": [0.8, 0.8, 0.6]}, trainer__note="plain")
    found = compare([], outputs)
    text = comparison_page(found)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r'(src|href)="(?!http://127)', text)
    assert text.count("<svg") == 2
    p = found.boards[0].rows[1].p
    assert f'<td class="n" data-sort="{p!r}">{p:.4f}</td>' in text
    assert "<del>" in text
    assert "prefers-color-scheme:dark" in text


def test_the_best_has_its_bar_where_its_interval_is(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": [0.59, 0.61]})
    make("b", {"test/accuracy": [0.59, 0.61]})
    bars = re.findall(r'd="M([\d.]+) 9.0H([\d.]+)".*?cx="([\d.]+)"', comparison_page(compare([], outputs)))
    assert bars == [("6.0", "214.0", "110.0")] * 2  # all of the scale, the mean in its middle


def test_runs_that_a_store_knows_have_a_page_and_a_password_is_not_on_it(make: Make, outputs: Path) -> None:
    folders = [make(name, {"test/accuracy": [0.5]}) for name in "abcd"]
    places = ["sqlite:////x/mlflow.db"] * 2 + ["https://me:***@host"] * 2
    for number, (folder, uri) in enumerate(zip(folders, places, strict=True)):
        state = {"uri": uri, "experiment": "e", "experiment_id": "7", "runs": {"": f"id{number}"}}
        (folder / "tracking.json").write_text(json.dumps(state))
    (first, printed), (second, silent) = links([StoredRun(folder) for folder in folders])
    assert first.startswith("http://127.0.0.1:5000/#/compare-runs?runs=%5B%22id0%22,%22id1%22%5D")
    assert printed == "while `python -m harness ui` is open"
    assert second.startswith("https://host/#/compare-runs?runs=%5B%22id2%22,%22id3%22%5D")
    assert silent == ""
    assert list(links([StoredRun(folders[0])])) == []


def test_the_page_has_a_table_for_each_data_set_with_columns_that_fit(make: Make, outputs: Path) -> None:
    many = {f"trainer__a{number:02}": "1" for number in range(25)}
    make("a", {"test/accuracy": [0.9]}, data="iris", **many)
    make("b", {"test/accuracy": [0.8]}, data="iris", **dict.fromkeys(many, "0.123456789"))
    make("c", {"test/rmse": [3.0]}, data="diabetes")
    text = comparison_page(compare([], outputs))
    assert "Leaderboard: iris" in text
    assert "Leaderboard: diabetes" in text
    assert "<title>2 lines by test/accuracy · 1 line by test/rmse" in text
    assert ("a09" in text, ">a10<" in text) == (True, False)
    assert "settings without a column: a10, a11, a12" in text
    assert "0.1235" in text
    assert "<svg" not in text  # of one fold and one seed there is no interval to draw
