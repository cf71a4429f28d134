"""The arithmetic of the benchmarks. Nothing here is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from benchmarks import __main__ as bench
from benchmarks import data, images
from benchmarks.measure import Comparison, Unable, answer, seconds_on_a_terminal, spread, take_turns
from benchmarks.memory import held
from benchmarks.report import circumstances, number, store, table

pytestmark = pytest.mark.slow

COMPARISON = Comparison(
    "a step", "µs per step", "bare", 1.05, {"ours": [11.0, 40.0, 12.0], "bare": [10.0, 20.0, 10.0]}, ["Note."]
)


def test_contenders_take_turns_and_the_first_round_is_not_counted() -> None:
    order: list[str] = []

    def contender(name: str) -> float:
        order.append(name)
        return float(len(order))

    names = ("a", "b", "c")
    costs = take_turns({name: lambda name=name: contender(name) for name in names}, rounds=2)
    assert order == [*"abc", *"bca", *"cab"]
    assert costs == {"a": [6.0, 8.0], "b": [4.0, 9.0], "c": [5.0, 7.0]}


def test_a_ratio_is_taken_within_a_round() -> None:
    assert COMPARISON.ratio("ours") == spread([1.1, 2.0, 1.2])
    assert COMPARISON.ratio("ours").median == 1.2
    assert COMPARISON.ratio("bare") == (1, 1, 1)


def test_quartiles_lie_between_the_neighbours() -> None:
    assert spread([4.0, 1.0, 3.0, 2.0]) == (1.75, 2.5, 3.25)
    assert spread([7.0]) == (7.0, 7.0, 7.0)


def test_the_table_shows_whether_the_aim_was_reached() -> None:
    lines = table(COMPARISON).splitlines()
    assert "| ours | 12 | 11.5 – 26 | 1.20 | 1.15 – 1.60 |" in lines
    assert "| bare | 10 | 10 – 15 | 1 |  |" in lines
    assert "Aim: ours at most 1.05 × bare; missed." in lines
    assert lines[-1] == "Note."


def test_numbers_keep_three_digits() -> None:
    assert [number(cost) for cost in (0.12345, 3.14159, 99.94, 1234.5)] == ["0.123", "3.14", "99.9", "1234"]


def test_the_stored_numbers_hold_every_round_and_name_the_machine(tmp_path: Path) -> None:
    store([COMPARISON], circumstances("python -m benchmarks"), tmp_path)
    stored = json.loads((tmp_path / "results.json").read_text())
    assert stored["comparisons"][0]["costs"] == COMPARISON.costs
    assert stored["command"] == "python -m benchmarks"
    assert {"torch", "mlflow"} <= set(stored["packages"])
    assert stored["processor"] in (tmp_path / "results.md").read_text()


def test_a_command_that_fails_is_no_measurement(tmp_path: Path) -> None:
    words = [sys.executable, "-S", "-c", "import sys; print(sys.stdout.isatty()); sys.exit(3)"]
    with pytest.raises(RuntimeError, match=r"ended with status 3:\nTrue"):
        seconds_on_a_terminal(words, tmp_path, {})


def test_an_answer_is_the_last_line_that_a_command_prints() -> None:
    assert answer([sys.executable, "-S", "-c", "print('so'); print('{\"seconds\": 2}')"]) == {"seconds": 2}


def test_a_command_that_fails_gives_no_answer() -> None:
    with pytest.raises(RuntimeError, match=r"ended with status 3:\nwhy"):
        answer([sys.executable, "-S", "-c", "import sys; print('why'); sys.exit(3)"])


def test_the_peak_counts_what_was_freed() -> None:
    answers = []
    for size in (0, 200_000_000):
        words = f"from benchmarks.memory import peak; bytes(b'x' * {size}); print(peak())"
        answers.append(answer([sys.executable, "-c", words]))
    assert answers[1] - answers[0] > 190


def test_what_is_held_counts_the_processes_that_were_started() -> None:
    before = held()
    child = "import sys; block = b'x' * 100_000_000; print('ready', flush=True); sys.stdin.read()"
    command = [sys.executable, "-S", "-c", child]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert held() - before > 90
        process.communicate()


def test_the_script_and_the_harness_read_the_same_rows(tmp_path: Path) -> None:
    data.write(tmp_path, 400)
    csv, parquet = pd.read_csv(tmp_path / "rows.csv"), pd.read_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(csv, parquet)
    assert csv.shape == (400, data.FEATURES + 1)
    assert 0 < csv.isna().to_numpy().sum() < 400
    assert csv["target"].nunique() == 2
    assert not csv["target"].isna().any()
    answers = data.through_harness(tmp_path, "csv", 1, ["data.cache=off"])
    assert answers["seconds"] > 0
    assert answers["megabytes"] > 50
    assert set(answer([sys.executable, str(data.SCRIPT), str(tmp_path / "rows.csv")])) == set(answers)


def test_passes_are_compared_as_a_whole_and_memory_with_the_first(tmp_path: Path) -> None:
    images.draw(tmp_path, 20)
    assert len(list(tmp_path.glob("class-*/*.jpg"))) == 20
    answers = {
        "ours": [{"images": 20, "seconds": [1.0, 2.0, 3.0], "megabytes": [10.0, 11.0, 12.0]}],
        "theirs": [{"images": 20, "seconds": [2.0, 2.0, 2.0], "megabytes": [20.0, 20.0, 20.0]}],
    }
    time, memory = images.compared(answers, 20)
    assert time.costs == {"ours": [6.0], "theirs": [6.0]}
    assert (memory.ours, memory.reference) == ("ours, after pass 3", "ours, after pass 1")
    assert memory.ratio(memory.ours).median == 1.2


def scripts(patch: pytest.MonkeyPatch, **mains: Callable[[int], list[Comparison]]) -> None:
    """Puts these in the place of the benchmarks."""
    for name, main in mains.items():
        module = ModuleType(name)
        vars(module).update(main=main, ROUNDS=3)
        patch.setitem(sys.modules, f"benchmarks.{name}", module)
    patch.setattr(bench, "SCRIPTS", tuple(mains))


def test_a_script_that_fails_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def broken(rounds: int) -> list[Comparison]:
        raise RuntimeError("no such file\nand more")

    def unable(rounds: int) -> list[Comparison]:
        raise Unable("there is no card")

    def fine(rounds: int) -> list[Comparison]:
        asked.append(rounds)
        return [COMPARISON]

    scripts(monkeypatch, broken=broken, unable=unable, fine=fine)
    assert bench.main([], tmp_path) == 1
    text = (tmp_path / "results.md").read_text()
    assert "### a step" in text
    assert "`broken` failed: RuntimeError: no such file\n" in text
    assert "`unable` not run: there is no card\n" in text
    stored = json.loads((tmp_path / "results.json").read_text())
    assert len(stored["comparisons"]) == 1
    assert list(stored["absent"]) == ["broken", "unable"]
    assert asked == [3]
    printed = capsys.readouterr()
    assert text in printed.out
    assert "and more" in printed.err


def test_what_cannot_run_here_is_no_failure_and_one_script_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(rounds: int) -> list[Comparison]:
        raise Unable("there is no card")

    def broken(rounds: int) -> list[Comparison]:
        raise KeyError

    scripts(monkeypatch, unable=unable, broken=broken)
    assert bench.main(["unable"], tmp_path) == 0
    assert bench.main(["broken", "--rounds", "2"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_was_measured_before_an_interruption_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(rounds: int) -> list[Comparison]:
        raise KeyboardInterrupt

    scripts(monkeypatch, fine=lambda rounds: [COMPARISON], stopped=stopped, last=stopped)
    with pytest.raises(KeyboardInterrupt):
        bench.main([], tmp_path)
    text = (tmp_path / "results.md").read_text()
    assert "### a step" in text
    assert text.endswith("`stopped` not run yet\n\n`last` not run yet\n")


def test_every_script_exists_and_prints_how_often_it_measures() -> None:
    names = [f"benchmarks.{name}" for name in bench.SCRIPTS]
    words = f"from importlib import import_module; print([import_module(name).ROUNDS for name in {names}])"
    answers = answer([sys.executable, "-c", words])
    assert len(answers) == len(names)
    assert min(answers) >= 1
