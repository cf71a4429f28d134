"""Fixtures of the attacks: a run from elsewhere, and the check that nothing of it ran."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UserError

Refused = Callable[..., UserError]


@pytest.fixture
def marker(here: Path) -> Iterator[Path]:
    """The file that every attack would make; it must not exist at the end."""
    path = here / "ATTACKED"
    yield path
    assert not path.exists(), "the attack ran"


@pytest.fixture
def theirs(here: Path, finished: Callable[..., Path], marker: Path) -> Path:
    """A run in a folder that was not made below `outputs`, which an attack may change.

    Its bundle has no digests of its files: an attacker would leave them out, or write new ones.
    """
    folder = Path(shutil.copytree(finished("data/extract=breast_cancer"), here / "theirs"))
    bundle = folder / "model" / "bundle.json"
    facts = json.loads(bundle.read_text())
    del facts["files"]
    bundle.write_text(json.dumps(facts))
    return folder


@pytest.fixture
def refused() -> Refused:
    """Calls something that must raise one sentence, of a class that is given by name, with these fields."""

    def call(action: Callable[[], Any], kind: str, **fields: Any) -> UserError:
        with pytest.raises(UserError) as caught:
            action()
        error = caught.value
        assert kind in [cls.__name__ for cls in type(error).__mro__], repr(error)
        assert {name: getattr(error, name) for name in fields} == fields
        assert "\n" not in str(error)
        return error

    return call


@pytest.fixture
def refused_by(run_cli: Callable[..., Any]) -> Callable[..., str]:
    """Types a command, which must end with status 2 and one line; returns that line."""

    def call(*words: str) -> str:
        answer = run_cli(*words)
        assert answer.status == 2, answer
        assert "Traceback" not in answer.err
        line = str(answer.err.strip().splitlines()[-1])
        assert line.startswith("error: ")
        return line

    return call
