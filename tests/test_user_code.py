"""What the code of a user's part does to a run: it ends with its record and its status."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import pytest

FAST = ("data/extract=iris", "model=mlp", "trainer.epochs=2", "trainer.device=cpu", "tracking=none")
CODE = """
import os, signal, sys

class WithoutText(Exception):
    def __str__(self):
        raise RuntimeError("no text")

class Strange(BaseException):
    pass

def exits(): sys.exit(0)
def exits_with_text(): sys.exit("done")
def raises_without_text(): raise WithoutText()
def raises_surrogates(): raise ValueError("a\\udcff\\ud800b")
def raises_megabytes(): raise ValueError("z" * 5_000_000)
def raises_controls(): raise ValueError("\\x1b[31mred\\x00")
def raises_base(): raise Strange("odd")
def changes_folder(): os.chdir("/")
def changes_handlers():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

class Callback:
    def __init__(self, *, act):
        self.act = act
    def __call__(self, fold, progress):
        globals()[self.act]()
"""


@pytest.fixture
def acting(run_cli: Any, here: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    (here / "acting_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(here)
    yield lambda act, *words: run_cli(
        *FAST, "+callbacks.x._target_=acting_code.Callback", f"+callbacks.x.act={act}", *words
    )
    sys.modules.pop("acting_code", None)


@pytest.mark.parametrize(
    ("act", "status", "error"),
    [
        ("exits", 1, "CodeExited: the code of a part called sys.exit(0); "),
        ("exits_with_text", 1, "CodeExited: the code of a part called sys.exit(done); "),
        ("raises_without_text", 1, "WithoutText: (its text could not be made: RuntimeError)"),
        ("raises_surrogates", 1, "ValueError: a\\udcff\\ud800b"),
        ("raises_megabytes", 1, "ValueError: zzzz"),
        ("raises_controls", 1, "ValueError: \\x1b[31mred\\x00"),
        ("raises_base", 1, "CodeExited: Strange: odd"),
        ("changes_folder", 0, None),
        ("changes_handlers", 0, None),
    ],
)
def test_a_run_ends_with_its_record_and_its_status(
    acting: Any, here: Any, act: str, status: int, error: str | None
) -> None:
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    answer = acting(act, "+callbacks.x.on_error=fail", "hydra.run.dir=made")
    assert answer.status == status, answer
    result = json.loads((here / "made/result.json").read_text(encoding="utf-8"))
    assert result["status"] == ("failed" if status else "finished")
    assert (result["error"] or "").replace("CallbackFailed: callbacks.x raised ", "").startswith(error or "")
    assert len((here / "made/journal.jsonl").read_text().splitlines()[-1]) < 3000
    assert "\x1b" not in answer.err + answer.out
    assert len(answer.err) < 50_000
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    assert os.getcwd() == str(here)
