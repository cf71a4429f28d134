"""Extractors made as the command line makes them: from their yaml, with what the test changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.data.extract import connection_retry

CONF = Path(__file__).parents[3] / "conf" / "data" / "extract"

Make = Callable[..., Any]


@pytest.fixture
def make() -> Make:
    """`make("sql", url=…)` is the extractor that `data/extract=sql data.extract.url=…` builds."""

    def from_yaml(choice: str, **changes: Any) -> Any:
        node: Any = OmegaConf.to_container(OmegaConf.load(CONF / f"{choice}.yaml"))
        assert changes.keys() <= node.keys()
        return build(OmegaConf.create(node | changes), "data.extract")

    return from_yaml


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which are noted and not waited."""
    noted: list[float] = []
    monkeypatch.setattr(connection_retry, "pause", noted.append)
    return noted


@pytest.fixture
def refused() -> Callable[..., str]:
    """The one sentence with which a call is refused; it must hold every one of the words."""

    def sentence(call: Callable[[], Any], *words: str) -> str:
        with pytest.raises(UserError) as found:
            call()
        text = str(found.value)
        assert "\n" not in text
        assert text.endswith((".", "?"))
        for word in words:
            assert word in text, f"{word!r} is not in {text!r}"
        return text

    return sentence
