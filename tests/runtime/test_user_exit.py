"""What the code of a part may do to the process."""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.console.text_format import put
from harness.core.errors import Interrupted
from harness.runtime import user_exit
from harness.runtime.closed_pipe import _Output
from harness.runtime.user_exit import CodeExited, exit_status, exits_as_errors, limit_wait


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SystemExit(), "the code of a part called sys.exit()"),
        (SystemExit(0), "the code of a part called sys.exit(0)"),
        (SystemExit("bye"), "the code of a part called sys.exit(bye)"),
        (GeneratorExit("g"), "GeneratorExit: g"),
    ],
)
def test_an_exit_is_an_error(error: BaseException, text: str) -> None:
    with pytest.raises(CodeExited) as caught, exits_as_errors():
        raise error
    assert str(caught.value).partition(";")[0] == text
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted(15), ValueError()])
def test_errors_and_requests_to_stop_pass(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, exits_as_errors():
        raise error
    assert caught.value is error


def asked_for_help() -> None:
    argparse.ArgumentParser().parse_args(["--help"])


def mistyped() -> None:
    argparse.ArgumentParser().parse_args(["--nothing"])


@pytest.mark.parametrize(
    ("ends", "status"), [(asked_for_help, 0), (mistyped, 2), (lambda: sys.exit(0), None)]
)
def test_only_a_parser_of_options_ends_the_command(ends: Callable[[], None], status: int | None) -> None:
    with pytest.raises(SystemExit) as caught:
        ends()
    assert exit_status(caught.value) == status


@pytest.mark.parametrize("daemon", [False, True])
def test_a_thread_that_never_ends_does_not_keep_the_process(
    daemon: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(user_exit, "_NOTICE", 0.01)
    monkeypatch.setattr(user_exit, "LONGEST_WAIT", 0.02)
    ended, release = threading.Event(), threading.Event()
    statuses: list[Any] = []

    def end(status: int) -> None:
        statuses.append(status)
        ended.set()

    monkeypatch.setattr(os, "_exit", end)
    thread = threading.Thread(target=release.wait, name="endless", daemon=daemon)
    thread.start()
    try:
        limit_wait(7)
        assert ended.wait(0.3 if daemon else 10) is not daemon
    finally:
        release.set()
        thread.join()
    assert statuses == ([] if daemon else [7])
    assert ("thread 'endless'" in capsys.readouterr().err) is not daemon


def test_a_closed_output_is_no_error(tmp_path: Path) -> None:
    stream = (tmp_path / "out").open("w")
    stream.close()
    put([("a line", "")], stream)

    pipe = _Output(os.open(tmp_path / "out", os.O_WRONLY), "w")
    closed = os.open(tmp_path / "out", os.O_RDONLY)  # a file that is not open for writing, as a closed one
    os.dup2(closed, pipe.fileno())
    os.close(closed)
    assert pipe.write(b"a line") == 6
    pipe.close()
