from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.config.compose import compose
from harness.core.errors import Interrupted
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.run import run
from harness.runs.journal import read
from harness.runtime.stop_signals import Stop, keep_signals

SIGNALS = [signal.SIGINT, signal.SIGTERM]
each_signal = pytest.mark.parametrize("signum", SIGNALS)


@each_signal
def test_a_handler_that_other_code_installs_is_replaced_after_the_step(signum: int) -> None:
    before = signal.getsignal(signum)
    with Stop() as stop, stop.after_step():
        signal.signal(signum, signal.SIG_IGN)
        assert not stop()
        signal.raise_signal(signum)
        assert stop()
    assert signal.getsignal(signum) == before


@each_signal
def test_while_training_the_first_signal_only_sets_the_answer(signum: int) -> None:
    with Stop() as stop, stop.after_step():
        assert not stop()
        signal.raise_signal(signum)
        assert stop()
        assert stop.signum == signum
        with pytest.raises(Interrupted) as caught:
            stop.raise_if_asked()
    assert caught.value.signum == signum


@each_signal
def test_the_second_signal_ends_a_training_at_once(signum: int) -> None:
    with Stop() as stop, stop.after_step():
        signal.raise_signal(signum)
        with pytest.raises(Interrupted) as caught:
            signal.raise_signal(signum)
    assert caught.value.signum == signum


def test_ctrl_c_and_the_sigterm_that_follows_it_are_one_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    with Stop() as stop, stop.after_step():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert stop.signum == signal.SIGINT
        monkeypatch.setattr(time, "monotonic", lambda: now + 60)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)


def test_the_sigterm_that_follows_ctrl_c_does_not_disturb_the_closing_of_the_run() -> None:
    with Stop() as stop:
        with stop.after_step():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted) as caught:
            stop.raise_if_asked()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
    assert caught.value.signum == signal.SIGINT


@each_signal
def test_an_error_of_third_party_code_does_not_hide_a_signal(signum: int) -> None:
    def read() -> object:
        try:
            signal.raise_signal(signum)  # before the file is opened
            file = object()
        finally:
            print(file)  # as code that closes it does
        return file

    with Stop(), pytest.raises(Interrupted) as caught, keep_signals():
        read()
    assert caught.value.signum == signum
    assert isinstance(caught.value.__cause__, UnboundLocalError)


def test_an_error_without_a_signal_stays_what_it_is() -> None:
    with pytest.raises(KeyError), keep_signals():
        raise KeyError("x")


@each_signal
def test_outside_of_training_a_signal_ends_the_run_at_once(signum: int) -> None:
    with Stop() as stop:
        with stop.after_step():
            pass
        with pytest.raises(Interrupted, match=f"^stopped by signal {signum}$"):
            signal.raise_signal(signum)


def test_without_a_signal_nothing_is_raised() -> None:
    with Stop() as stop:
        stop.raise_if_asked()
    assert not stop()


def test_afterwards_the_signals_are_handled_as_before() -> None:
    before = [signal.getsignal(signum) for signum in SIGNALS]
    with Stop():
        assert [signal.getsignal(signum) for signum in SIGNALS] != before
    assert [signal.getsignal(signum) for signum in SIGNALS] == before


def test_in_a_thread_which_may_not_listen_it_simply_never_stops() -> None:
    answers = []

    def work() -> None:
        with Stop() as stop:
            answers.append(stop())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [False]


def test_an_interrupted_run_is_closed_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def consumer(fold: Fold, progress: Progress) -> None:
        if (fold.number, progress.epoch) == (1, 2):
            signal.raise_signal(signal.SIGTERM)

    words = ["data/extract=iris", "split=stratified_kfold", "split.folds=3", "tracking=none"]
    with pytest.raises(Interrupted):
        run(compose(words), tmp_path, [consumer])
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"] == "interrupted"
    assert result["error"] == "Interrupted: stopped by signal 15"
    assert len(result["scores"]["test/accuracy"]["folds"]) == 1  # the fold that was done
    ends = [(event["run"], event["status"]) for event in read(tmp_path)[0] if event["event"] == "end"]
    assert ends == [("fold-0", "finished"), ("fold-1", "interrupted"), ("", "interrupted")]
    assert "interrupted in " in capsys.readouterr().out


@pytest.mark.slow
def test_ctrl_c_and_sigterm_give_the_exit_status_of_their_signal(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "harness",
        "data/extract=iris",
        "trainer.epochs=10000000",
        "tracking=none",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = {
        signum: subprocess.Popen(
            [*command, f"hydra.run.dir={tmp_path}/{signum}"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=in_the_background,
        )
        for signum in SIGNALS
    }
    try:
        for signum, process in running.items():
            await_(lambda: trains(tmp_path / str(signum)))  # noqa: B023 (asked at once)
            process.send_signal(signum)
        for signum, process in running.items():
            _, errors = process.communicate(timeout=60)
            assert (process.returncode, errors) == (128 + signum, "")
            assert json.loads((tmp_path / str(signum) / "result.json").read_text())["status"] == "interrupted"
            last = read(tmp_path / str(signum))[0][-1]
            assert (last["event"], last["run"], last["status"]) == ("end", "", "interrupted")
    finally:
        for process in running.values():
            process.kill()


def in_the_background() -> None:
    """What a script's shell does before `command &`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.slow
def test_ctrl_c_ends_a_background_command_of_a_script_before_it_trains(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from harness import __main__ as harness\n"
        "harness.execute = lambda words: os.kill(os.getpid(), signal.SIGINT)\n"
        "harness.main()\n"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=in_the_background, check=False, cwd=tmp_path
    )
    assert ended.returncode == -signal.SIGINT, ended.stderr  # as Python ends at a KeyboardInterrupt


def trains(folder: Path) -> bool:
    return any(event["event"] == "metrics" for event in read(folder)[0])


def await_(condition: Callable[[], Any], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
