"""The command line within the test's own process, in a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Answer(NamedTuple):
    """What a command line came to."""

    status: int
    out: str
    err: str


Knock = Callable[..., Answer]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the command is typed."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def knock(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Knock:
    """`knock("model=mlp", "seed=1")` is `python -m harness model=mlp seed=1`."""
    monkeypatch.setattr(sys, "argv", ["harness"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")  # the door sets it

    def door(*words: str) -> Answer:
        from harness.__main__ import door

        capsys.readouterr()
        status = door(list(words))
        return Answer(status, *capsys.readouterr())

    return door


@pytest.fixture
def only_run(here: Path) -> Callable[[], Path]:
    """The folder of the one run that was made."""

    def find() -> Path:
        (folder,) = (here / "outputs" / "runs").iterdir()
        return folder

    return find
