"""The size of the fuzz tests, and how one command line is tried."""

from __future__ import annotations

import os
import signal
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

SECONDS = 600
"""A case that takes longer hangs; the longest took 120 on a busy machine (50 folds of a transformer)."""

STEPS = 50

STATUSES = (0, 1, 2, 143)
"""Done, a fault of the run, a mistake of the user, interrupted (see `stopping`)."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`part` is 0 to 9 where HARNESS_FUZZ is set, else 0: a tenth of the cases."""
    if "part" in metafunc.fixturenames:
        metafunc.parametrize("part", range(10 if os.environ.get("HARNESS_FUZZ") else 1))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the steps behind all reading: no server starts, no model goes into a registry."""
    from harness.cli import ui
    from harness.deploy import register_run, serve_model

    monkeypatch.setattr(ui, "_serve", lambda *_: None)
    monkeypatch.setattr(register_run, "promote", lambda *_: iter(()))
    monkeypatch.setattr(serve_model, "save", lambda *_: None)
    monkeypatch.setattr(serve_model, "become", lambda *_: None)
    monkeypatch.setattr(serve_model, "request", lambda *_: "")


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupts a run after `STEPS` training steps."""
    from harness.runtime.stop_signals import Stop

    def asked(self: Stop, counts: Any = defaultdict(int)) -> bool:  # noqa: B006 (shared by all calls)
        counts[self] += 1
        if counts[self] > STEPS:
            self.signum = signal.SIGTERM
        return self.signum is not None

    monkeypatch.setattr(Stop, "__call__", asked)


@pytest.fixture
def fault_of(run_cli: Callable[..., Any], here: Path) -> Callable[..., str | None]:
    """`fault_of(words)` types a command; returns what is wrong with the answer, or None.

    With `names`, the sentence of status 2 must contain one of these texts, or be that of `usual()`.
    """

    def call(
        words: list[str], names: tuple[str, ...] = (), usual: Callable[[], str] = lambda: ""
    ) -> str | None:
        before = _files(here)
        try:
            with _limited(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pytest makes errors of them, a command does not
                answer = run_cli(*words)
        except BaseException as error:
            return f"raised {type(error).__name__}: {error}"
        lines = answer.err.strip().splitlines()
        last = lines[-1] if lines else ""
        if "Traceback" in answer.err:
            return f"a stack: {last}"
        if answer.status not in STATUSES:
            return f"status {answer.status}: {last}"
        if answer.status != 2:
            return None
        if not last.startswith("error: ") or sum(line.startswith("error: ") for line in lines) > 1:
            return f"not one sentence: {answer.err}"
        if left := sorted(_files(here) - before):
            return f"left {left[:3]}: {last}"
        if names and not any(text in last for text in names) and last != usual():
            return f"names no file: {last}"
        return None

    return call


def _files(folder: Path) -> set[str]:
    """Everything in a folder, except for the cache, which a refused command may fill."""
    paths = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {path for path in paths if path != "outputs" and not path.startswith("outputs/cache")}


@contextmanager
def _limited() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer in {SECONDS} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
