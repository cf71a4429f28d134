"""A leaderboard of runs whose scores were thought out, against figures that were computed by hand."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from harness.compare.compare_runs import compare
from harness.compare.leaderboard import rank_runs
from harness.compare.paired_tests import PairedTest
from harness.compare.reading_notes import notes
from harness.compare.select_runs import select_runs
from harness.compare.two_runs import differences
from harness.console.text_format import plain_text
from harness.core.errors import UserError
from harness.runs.stored_run import StoredRun

Make = Callable[..., Path]
A, B = [0.9, 0.8, 0.9, 1.0], [0.8, 0.8, 0.7, 0.8]


def shown(words: list[str], outputs: Path, width: int | None = None, **options: Any) -> str:
    return "\n".join(plain_text(line, "utf-8") for line in compare(words, outputs, **options).lines(width))


def share_interval(mean: float, half: float) -> tuple[float, float]:
    """On the logit scale, because `mean` + `half` is above 1."""
    assert mean + half > 1
    step = half / (mean * (1 - mean))
    low, high = special.expit(special.logit(mean) + np.array([-step, step]))
    return float(low), float(high)


def test_folds_of_the_same_rows_are_tested_by_the_corrected_t(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": A})
    make("b", {"test/accuracy": B}, trainer__lr="1")
    best, other = compare([], outputs).boards[0].rows
    assert (best.label, other.label) == ("a", "b")
    # Differences -0.1, 0, -0.2, -0.2; each fold tests 5 rows and trains on 15.
    mean, variance = -0.125, 0.0275 / 3
    t = mean / math.sqrt((1 / 4 + 5 / 15) * variance)
    assert isinstance(other.tested, PairedTest)
    assert other.tested.p == pytest.approx(2 * stats.t.sf(abs(t), 3))
    assert other.tested.effect == pytest.approx(mean / math.sqrt(variance))
    assert other.p == other.tested.p
    half = stats.t.ppf(0.975, 3) * pd.Series(A).std() / 2
    assert best.score.over_folds == pytest.approx(share_interval(0.9, half))


def test_folds_of_other_rows_or_other_data_are_not_tested(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": [0.9]}, predicted=[0, 1, 0, 1, 0])
    make("b", {"test/accuracy": [0.8]}, rows=5, predicted=[0, 1, 0, 1, 0])
    make("c", {"test/accuracy": [0.7]}, digest="d2")
    printed = shown([], outputs)
    assert [row.tested for row in compare([], outputs).boards[0].rows] == [
        "",
        "no common test rows",
        "different data",
    ]
    assert "no test of 1 line: no common test rows" in printed
    assert "the data differs between the runs (set d1 and set d2)" in printed


def test_a_single_fold_of_classes_is_tested_by_mcnemar(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": [1.0]}, predicted=[0, 1, 0, 1, 0])
    make("b", {"test/accuracy": [0.2]}, predicted=[1, 0, 1, 0, 0])
    tested = compare([], outputs).boards[0].rows[1].tested
    assert isinstance(tested, PairedTest)
    assert (tested.test, tested.pairs, tested.effect) == ("McNemar", 5, -1.0)
    assert tested.p == pytest.approx(2 / 2**4)


def test_a_target_that_is_missing_in_a_row_does_not_make_the_others_wrong(make: Make, outputs: Path) -> None:
    folder = make("a", {"test/accuracy": [1.0]}, predicted=[0, 1, 0, 1, 0])
    make("b", {"test/accuracy": [0.8]}, predicted=[0, 1, 0, 1, 1])
    file = folder / "predictions.csv"
    file.write_text(file.read_text().replace("0,0,0,0,", "0,0,,0,"))
    tested = compare([], outputs).boards[0].rows[1].tested
    assert isinstance(tested, PairedTest)
    assert (tested.pairs, tested.effect, tested.p) == (4, -1.0, 1.0)  # one row differs


def test_a_single_fold_of_numbers_is_tested_by_wilcoxon_and_low_is_better(make: Make, outputs: Path) -> None:
    make("a", {"test/rmse": [3.0]}, predicted=[1.5, 3.0, 4.5, 3.0, 0.25])
    make("b", {"test/rmse": [2.0]}, predicted=[0.5, 1.5, 1.0, 1.0, 0.0])
    best, other = compare([], outputs).boards[0].rows
    assert best.label == "b"
    # Absolute errors of a: 1.5 2 4.5 2 0.25, of b: 0.5 0.5 1 0 0.
    assert isinstance(other.tested, PairedTest)
    assert other.tested.p == pytest.approx(2 / 2**5)
    assert other.tested.effect == 1.0


def test_runs_that_differ_in_their_seed_alone_are_one_line(make: Make, outputs: Path) -> None:
    for seed, score in enumerate((0.7, 0.8, 0.9)):
        make(f"a{seed}", {"test/accuracy": [score, score]}, seed=str(seed))
    make("again", {"test/accuracy": [0.6, 0.6]})
    make("b", {"test/accuracy": [0.5, 0.5]}, trainer__lr="1")
    first, again, other = compare([], outputs).boards[0].rows
    assert [run.label for run in first.runs] == ["a0", "a1", "a2"]
    assert [len(row.runs) for row in (again, other)] == [1, 1]
    half = stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert first.score.over_seeds == pytest.approx(share_interval(0.8, half))
    assert first.score.folds == pytest.approx((0.8, 0.8))
    assert again.score.over_seeds is None
    assert len(compare([], outputs, each=True).boards[0].rows) == 5


def test_unfinished_runs_are_counted_and_undefined_scores_come_last(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": [math.nan]})
    make("b", {"test/accuracy": [0.5], "test/accuracy_baseline_majority": [0.4]})
    make("c", {}, status="pruned")
    make("d", {}, status="failed")
    (make("e", {}) / "result.json").unlink()
    found = compare([], outputs).boards[0]
    assert [row.label for row in found.rows] == ["b", "a"]
    assert found.unranked == {"pruned": 1, "failed": 1, "unfinished": 1}
    printed = shown([], outputs)
    assert "not ranked: 1 pruned, 1 failed, 1 unfinished" in printed
    assert "baselines: majority 0.4000" in printed
    assert "no test of 1 line: its score is undefined" in printed


def test_the_valid_score_ranks_where_a_run_has_no_test_score(make: Make, outputs: Path) -> None:
    make("a", {"valid/accuracy": [0.5], "test/accuracy": [0.9]})
    make("b", {"valid/accuracy": [0.6]})
    found = compare([], outputs).boards[0]
    assert (found.score, found.rows[0].label) == ("valid/accuracy", "b")


def test_trials_that_were_compared_by_a_steady_score_are_ranked_by_it(make: Make, outputs: Path) -> None:
    make("a", {"valid/rmse": [0.5], "valid/rmse_steady": [0.9]})
    make("b", {"valid/rmse": [0.6], "valid/rmse_steady": [0.7]})
    found = compare([], outputs).boards[0]
    assert (found.score, found.rows[0].label) == ("valid/rmse_steady", "b")
    make("c", {"valid/rmse": [0.4]})
    assert compare([], outputs).boards[0].score == "valid/rmse"


def test_by_takes_full_and_plain_names(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": [0.9], "test/loss": [0.3], "model/parameters": [10]})
    make("b", {"test/accuracy": [0.8], "test/loss": [0.2], "model/parameters": [20]})
    assert compare([], outputs, by="loss").boards[0].rows[0].label == "b"
    assert compare([], outputs, by="test/accuracy").boards[0].rows[0].label == "a"
    by_size = compare([], outputs, by="parameters").boards[0]
    assert (by_size.score, by_size.rows[0].label) == ("model/parameters", "a")
    assert by_size.rows[1].tested == "model/parameters is not a score of rows"


def test_a_word_is_a_run_a_name_a_sweep_or_an_experiment(make: Make, outputs: Path) -> None:
    score = {"test/accuracy": [0.9]}
    make("a", score, tracking__experiment="mine")
    make("b", score, tracking__experiment="mine")
    make("c", score, tracking__experiment="other")
    for trial in ("0", "10", "2"):
        make(trial, score, place="sweeps/tune-0", tracking__experiment="third")
    (outputs / "sweeps" / "tune-0" / "journal.jsonl").touch()
    priced = {"score": "valid/accuracy", "trials": 50, "expected": 0.972, "ci95": [0.962, 0.98]}
    result = outputs / "sweeps" / "tune-0" / "result.json"
    sentence = "tune-0: after choosing among 50 trials expect valid/accuracy 0.9720 [0.9620, 0.9800]"
    for use, lines in (
        (2, ()),
        (0, ("tune-0: use trial 0, the default: that another trial is better may be chance",)),
    ):
        content = {"status": "finished", "best": {"number": 2}, "selection": {**priced, "recommended": use}}
        result.write_text(json.dumps(content))
        assert compare(["tune"], outputs).worth == (sentence, *lines)
    for seed in ("0", "1"):
        make(f"seed-{seed}", score, place="sweeps/again-0/4", seed=seed)

    def labels(*words: str) -> list[str]:
        return [logged.label for logged in select_runs(words, outputs)]

    assert labels() == ["a", "b", "c"]
    assert labels("mine") == ["a", "b"]
    assert labels("c", "called-a", "c") == ["c", "a"]
    assert (
        labels("tune") == labels(str(outputs / "sweeps" / "tune-0")) == ["tune-0/0", "tune-0/2", "tune-0/10"]
    )


def test_two_runs_are_compared_by_configuration_data_code_and_packages(make: Make, outputs: Path) -> None:
    old, new = make("a", {"test/accuracy": [0.9]}), make("b", {"test/accuracy": [0.9]}, rows=5, seed="1")
    (old / "packages.txt").write_text("numpy==1\ntorch==2\n")
    (new / "packages.txt").write_text("numpy==1\ntorch==3\n")
    (new / "code.diff").write_text("+ a line\n")
    assert differences(StoredRun(old), StoredRun(new)) == {
        "configuration": {"seed": ("0", "1")},
        "data": {"split": ("1 folds", "1 folds, with other rows in the parts")},
        "code": {"code.diff": ("none", "1 lines")},
        "packages": {"torch": ("2", "3")},
    }
    printed = shown(["b", "a"], outputs)
    assert "b -> a" in printed
    assert "  torch  3 -> 2" in printed
    assert "configuration" not in shown(["a"], outputs)


def test_each_data_set_has_its_own_table(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": [0.9]}, data="iris")
    make("b", {"test/rmse": [3.0]}, data="diabetes")
    make("c", {"test/accuracy": [0.95]}, data="iris")
    make("d", {"test/accuracy": [0.7]}, data="wine")
    make("e", {}, status="failed", data="wine")
    make("f", {}, status="failed", data="digits")
    found = compare([], outputs)
    assert [(board.data, board.score, [row.label for row in board.rows]) for board in found.boards] == [
        ("iris", "test/accuracy", ["c", "a"]),
        ("diabetes", "test/rmse", ["b"]),
        ("wine", "test/accuracy", ["d"]),
    ]
    assert [board.unranked for board in found.boards] == [{"failed": 1}, {}, {"failed": 1}]
    assert "data set iris by test/accuracy\n#  run" in shown([], outputs)
    by = compare([], outputs, by="rmse")
    assert ([board.data for board in by.boards], by.unscored) == (["diabetes"], ("iris", "wine"))
    assert "no run has this score on iris and wine" in shown([], outputs, by="rmse")


def test_targets_of_one_data_set_have_a_table_each(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": [0.9]})
    make("b", {"test/rmse": [3.0]})
    make("c", {}, status="failed")
    boards = compare([], outputs).boards
    assert [(board.score, board.unranked) for board in boards] == [
        ("test/accuracy", {"failed": 1}),
        ("test/rmse", {}),
    ]


def test_numbers_are_shown_in_few_digits_and_lists_are_cut(make: Make, outputs: Path) -> None:
    many = {f"trainer__a{number:02}": "1" for number in range(25)}
    make("a", {"test/accuracy": [0.9]}, trainer__lr="0.08311303692128176", sweep__trials="3", **many)
    make("b", {"test/accuracy": [0.8]}, trainer__lr="0.1", **dict.fromkeys(many, "2"))
    wide, narrow = shown([], outputs), shown([], outputs, width=60)
    assert "0.08311  " in wide.splitlines()[2]
    assert "trainer.lr   0.08311 -> 0.1" in wide
    assert "0.083113" not in wide
    assert "sweep" not in wide
    assert "left out: a19, a20, a21, a22, a23 and a24; --csv has all" in wide.replace("\n", " ")
    assert "and 16 more; --csv has all" in " ".join(narrow.split())


def test_a_narrow_screen_leaves_out_and_names_the_least_important_columns(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": [0.9], "test/f1": [0.9]}, predicted=[0, 1, 0, 1, 0])
    make("b", {"test/accuracy": [0.8], "test/f1": [0.8]}, trainer__lr="1", predicted=[0, 1, 0, 1, 1])
    wide, narrow = shown([], outputs), shown([], outputs, width=40)
    assert "f1" in wide.splitlines()[0]
    assert "too narrow" not in wide
    assert len(narrow.splitlines()[0]) <= 40
    assert "test/accuracy" in narrow.splitlines()[0]
    assert max(map(len, narrow.split("\n\n")[1].splitlines())) <= 40  # the notes are wrapped
    printed = " ".join(narrow.split())
    assert (
        "too narrow for: lr, difference, effect, seconds, parameters and f1; --csv has all columns" in printed
    )


@pytest.mark.parametrize(
    ("words", "options", "words_of_sentence", "key", "value"),
    [
        (["caled-a"], {}, "did you mean called-a", None, "caled-a"),
        (["a/fold-0"], {}, "a has no fold-0", None, None),
        ([], {"by": "acuracy"}, "did you mean .*test/accuracy", "--by", "acuracy"),
        ([], {"by": "accuracy"}, r"1 of 2 runs have no .* \(b has test/rmse\)", "--by", "accuracy"),
        (["c"], {}, r"compare ranks finished runs, got none \(1 failed\)", None, {"failed": 1}),
        (["a/fold-1"], {}, "needs whole runs, .* a/fold-1 is one fold; name a", None, "a/fold-1"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    make: Make,
    outputs: Path,
    words: list[str],
    options: dict[str, str],
    words_of_sentence: str,
    key: str | None,
    value: object,
) -> None:
    (make("a", {"test/accuracy": [0.9]}) / "fold-1").mkdir()
    make("b", {"test/rmse": [0.9]})
    if words == ["c"]:
        make("c", {}, status="failed")
    with pytest.raises(UserError, match=words_of_sentence) as refused:
        compare(words, outputs, **options)
    assert value is None or (refused.value.key, refused.value.value) == (key, value)


def test_a_table_of_trained_runs_is_compared_at_the_door(
    run_cli: Any, here: Path, finished: Callable[..., Path]
) -> None:
    made = finished("data/extract=breast_cancer", "split=kfold", "split.folds=3")
    shutil.copytree(made, here / "outputs" / "runs" / "first")
    shutil.copytree(made, here / "outputs" / "runs" / "second")
    answer = run_cli("compare", "--csv", "all.csv", "--html", "all.html")
    assert answer.status == 0, answer.err
    result = StoredRun(made).result
    assert result is not None
    table = pd.read_csv(here / "all.csv")
    assert list(table["run"]) == ["first", "second"]
    assert table["test/accuracy"][0] == result.scores["test/accuracy"]["mean"]
    low, high = table.loc[0, ["test/accuracy low over folds", "test/accuracy high over folds"]]
    assert [low, high] == pytest.approx(result.scores["test/accuracy"]["ci95"])
    assert list(table["p_holm"].fillna(-1)) == [-1, 1]  # the same run twice
    assert "corrected resampled t-test" in answer.out
    assert "the same: configuration, data, code, packages" in answer.out
    ranked = rank_runs([StoredRun(made)])
    assert ranked.rows[0].parameters == result.scores["model/parameters"]["mean"]


@pytest.mark.parametrize(
    ("arguments", "open_folder", "words"),
    [
        (["--csv", "nowhere/all.csv"], True, "nowhere/all.csv cannot be written: there is no folder"),
        (["--html", "."], True, "the output must be a file, and . is a folder"),
        (["--csv", "all.csv"], False, "all.csv cannot be written: its folder is read-only"),
        ([], True, "there is no run in outputs/runs to compare; make one"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_any_work(
    run_cli: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], open_folder: bool, words: str
) -> None:
    if not open_folder:
        monkeypatch.setattr("os.access", lambda *_: False)
    answer = run_cli("compare", *arguments)
    assert answer.status == 2
    assert words in answer.err


@pytest.mark.slow
def test_comparing_imports_neither_torch_nor_mlflow(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": A})
    make("b", {"test/accuracy": B})
    program = (
        "import sys; from harness.cli.compare import main; "
        f"main(['--outputs', {str(outputs)!r}]); "
        "print([name for name in ('torch', 'mlflow', 'hydra') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_evaluation_is_ranked_only_where_it_is_named(make: Make, outputs: Path) -> None:
    make("a", {"test/accuracy": [0.8]}, tracking__experiment="e")
    journal = make("scored", {"test/accuracy": [0.99]}, tracking__experiment="e") / "journal.jsonl"
    event = json.loads(journal.read_text())
    event["tags"]["evaluated.run"] = "a"
    journal.write_text(json.dumps(event) + "\n")
    for words in ([], ["e"]):
        assert [row.label for row in compare(words, outputs).boards[0].rows] == ["a"]
    found = compare(["a", "scored", "e"], outputs, each=False).boards[0]
    assert [[run.label for run in row.runs] for row in found.rows] == [["scored"], ["a"]]
    assert any(note.startswith("scored is an evaluation of a run, perhaps on rows") for note in notes(found))
