from __future__ import annotations

import io
import os
import re
import weakref
from pathlib import Path

import pytest

from harness.console.screen import Screen
from harness.core.progress import Progress
from harness.runs.run_result import Result, summarise


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def epoch(number: int, epochs: int, best: bool = True, accuracy: float = 0.5) -> Progress:
    scores = {"train/loss": 1 / number, "valid/accuracy": accuracy, "lr": 0.001, "time/epoch_seconds": 0.5}
    return Progress(number, epochs, number * 10, scores, best, dict)


def printed(text: str) -> list[int]:
    """The epochs that have a line."""
    return [int(match) for match in re.findall(r"^[*★ ] +(\d+)  ", text, flags=re.MULTILINE)]


def train(screen: Screen, epochs: int, better: range | None = None) -> None:
    screen.opening({"data": "digits"}, monitor="valid/accuracy")
    screen.fold(0, 1, {"train": 8, "valid": 2})
    for number in range(1, epochs + 1):
        screen.epoch(epoch(number, epochs, best=better is None or number in better))
    screen.fold_scores(0, {"test/accuracy": 0.9})


def test_the_opening_aligns_its_facts() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.opening({"data": "digits, 1,797 rows", "trainer": "supervised"})
    screen.fold(0, 1, {"train": 1149, "test": 360})
    screen.note("the tracking server is away")
    assert stream.getvalue() == (
        "data     digits, 1,797 rows\n"
        "trainer  supervised\n"
        "rows     1,149 train, 360 test\n"
        "\n"
        "! the tracking server is away\n"
    )


def test_few_epochs_are_all_printed() -> None:
    stream = io.StringIO()
    train(Screen(stream), 12)
    assert printed(stream.getvalue()) == list(range(1, 13))


def test_of_many_epochs_the_best_of_every_few_is_printed() -> None:
    stream = io.StringIO()
    train(Screen(stream), 90, better=range(1, 45))
    assert printed(stream.getvalue()) == [1, *range(3, 43, 3), 44, *range(48, 91, 3)]


def test_an_early_stop_loses_no_line() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.fold(0, 1, {"train": 1})
    for number in (1, 2, 3, 4, 5):
        screen.epoch(epoch(number, 300))
    screen.fold_scores(0, {})
    assert printed(stream.getvalue()) == [1, 5]


def test_of_very_many_folds_about_thirty_have_a_line() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.opening({"data": "digits"}, monitor="valid/accuracy")
    for fold in range(178):
        screen.fold(fold, 178, {"train": 1787, "valid": 9, "test": 1})
        for number in (1, 2, 3):
            screen.epoch(epoch(number, 3, best=number < 3))
        screen.fold_scores(
            fold, {"test/loss": 0.5, "test/accuracy": 1.0, "test/accuracy_baseline_majority": 0.0}
        )
    lines = stream.getvalue().splitlines()
    epochs = [int(line.split()[0]) for line in lines[3:]]
    assert epochs == [0, *range(5, 177, 6), 177]
    assert lines[2] == "  fold  train/valid/test  best epoch  test/accuracy  test/loss"
    assert re.fullmatch(
        r"    11          1787/9/1           2         1\.0000     0\.5000  \d\.\d s", lines[5]
    )


def test_a_network_of_an_ensemble_has_the_number_of_its_fold_beside_its_own() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    screen.opening({}, monitor="valid/accuracy")
    for number in range(4):
        names = {"fold": number // 2, "network": number % 2}
        screen.fold(number, 4, {"train": 9, "test": 1}, names)
        screen.fold_scores(number, {"test/accuracy": 1.0})
    lines = [line.split()[:2] for line in stream.getvalue().splitlines() if line.strip()]
    assert lines == [["fold", "network"], ["0", "0"], ["0", "1"], ["1", "0"], ["1", "1"]]


def test_a_log_file_gets_a_sign_of_life_when_folds_are_long(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stream = io.StringIO()
    screen = Screen(stream)
    screen.opening({}, monitor="valid/accuracy")
    screen.note("begin")
    for number in range(1, 6):
        screen.fold(0, 2, {}) if number == 1 else None
        now[0] += 25
        screen.epoch(epoch(number, 9, accuracy=0.75))
    assert stream.getvalue() == "! begin\nfold 0 (1 of 2), epoch 3 of 9, best valid/accuracy 0.7500\n"


def closing(screen: Screen, **changes: object) -> None:
    result = {
        "status": "finished",
        "objective": {"name": "valid/accuracy", "direction": "maximize", "value": 0.98},
        "scores": {"test/accuracy": summarise([0.97]), "test/accuracy_baseline_majority": summarise([0.1])},
        "folds": 1,
        "seconds": 12.3,
        "command": "python -m harness model=mlp",
    }
    screen.closing(
        Result(**(result | changes)),
        Path("outputs/digits-1"),
        "run 1 of experiment harness",
        "python -m harness ui",
    )


def test_the_closing_lines_show_the_result_and_the_folder() -> None:
    stream = io.StringIO()
    closing(Screen(stream))
    assert stream.getvalue() == (
        "\n"
        "test          model   majority\n"
        "──────────────────────────────\n"
        "accuracy   * 0.9700     0.1000\n"
        "\n"
        "finished in 12 s, valid/accuracy 0.9800 (maximized)\n"
        "\n"
        "files   outputs/digits-1\n"
        "mlflow  run 1 of experiment harness\n"
        "see it  python -m harness ui\n"
        "repeat  python -m harness model=mlp\n"
    )


def test_the_closing_of_a_failed_run_gives_the_reason() -> None:
    stream = io.StringIO()
    closing(
        Screen(stream), status="failed", scores={}, objective=None, error="the loss became NaN in epoch 3"
    )
    assert stream.getvalue().startswith("\nfailed in 12 s\nthe loss became NaN in epoch 3\n\nfiles ")


def test_nothing_but_text_reaches_a_file() -> None:
    stream = io.StringIO()
    screen = Screen(stream)
    train(screen, 40)
    closing(screen)
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_the_same_lines_in_colour(terminal: Terminal) -> None:
    stream = io.StringIO()
    for screen in (Screen(terminal), Screen(stream)):
        train(screen, 4)
        closing(screen)
    bare = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", terminal.getvalue())
    kept = [line.rstrip() for line in bare.splitlines() if " left" not in line]
    wanted = stream.getvalue().replace("*", "★").splitlines()
    assert [line for line in kept if line] == [line for line in wanted if line]
    assert "\x1b[1;32m" in terminal.getvalue()


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (92, "━" * 8 + " fold 0 (1 of 10), epoch 10 of 100, best valid/accuracy 0.2500, 1 h 39 min left"),
        (75, "━" * 8 + " fold 0 (1 of 10), epoch 10 of 100, best 0.2500, 1 h 39 min left"),
        (60, "━" * 8 + " fold 0 (1 of 10), epoch 10 of 100, 1 h 39 min left"),
        (40, "━" * 8 + " epoch 10, 1 h 39 min left"),
    ],
)
def test_a_narrow_terminal_shows_the_time_that_is_left(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, width: int, line: str
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setenv("COLUMNS", str(width))
    screen = Screen(terminal)
    screen.opening({"data": "digits"}, monitor="valid/accuracy")
    screen.fold(0, 10, {"train": 1})
    for number in range(1, 11):
        now[0] += 6.05
        screen.epoch(epoch(number, 100, accuracy=0.25))
    bare = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())
    assert line in bare.replace("╸", "━").replace("╺", "━")
    screen.close()


def test_the_bar_counts_all_epochs_of_all_folds_and_is_removed_at_the_end(
    terminal: Terminal, monkeypatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    screen = Screen(terminal)
    screen.opening({"data": "digits"}, monitor="valid/accuracy")
    for fold in range(2):
        screen.fold(fold, 2, {"train": 1})
        for number in (1, 2):
            now[0] += 10
            screen.epoch(epoch(number, 2, accuracy=0.25))
        screen.fold_scores(fold, {"test/accuracy": 0.5})
    bare = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())
    assert "━ fold 0 (1 of 2), epoch 1 of 2, best valid/accuracy 0.2500, 30 s left" in bare
    assert "━ fold 1 (2 of 2), epoch 1 of 2, best valid/accuracy 0.2500, 10 s left" in bare
    screen.close()
    screen.close()
    assert terminal.getvalue().rstrip("\r\n").endswith(("\x1b[?25h", "\x1b[2K"))


def test_fast_epochs_share_a_refresh(terminal: Terminal, monkeypatch) -> None:
    monkeypatch.setattr("time.monotonic", lambda: 5.0)
    screen = Screen(terminal)
    screen.fold(0, 1, {"train": 1})
    before = len(terminal.getvalue())
    for number in range(1, 1001):
        screen.epoch(epoch(number, 1000))
    assert len(terminal.getvalue()) == before
    screen.close()
    assert len(printed(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", terminal.getvalue()))) == 31


def test_a_fault_gives_the_terminal_back(terminal: Terminal, monkeypatch) -> None:
    def stumble() -> None:
        with Screen(terminal) as screen:
            train(screen, 1)
            raise KeyError("fault")

    monkeypatch.setattr("harness.console.screen._REFRESH", 0.0)
    with pytest.raises(KeyError, match="fault"):
        stumble()
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1


def test_the_screen_lets_go_of_the_model(terminal: Terminal) -> None:
    class Model:
        def state(self) -> dict[str, object]:
            return {"model": self}

    model = Model()
    alive = weakref.ref(model)
    screen = Screen(terminal)
    screen.epoch(Progress(1, 2, 1, {"train/loss": 1.0}, True, model.state))
    del model
    assert alive() is None
    screen.close()


def test_a_closed_pipe_ends_the_output_and_not_the_run():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        screen = Screen(stream)
        screen.note("nobody listens")
        screen.note("and that is no error")
        screen.close()
        assert os.fstat(stream.fileno()).st_rdev == os.stat(os.devnull).st_rdev
