from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from harness.core.walk import passes, walk_printed

FLOW = Path(__file__).parents[2] / "docs" / "architecture.md"


def documented() -> list[str]:
    """The stations of the first picture in docs/architecture.md: `extract    -> Table`."""
    picture = FLOW.read_text().split("## The flow")[1].split("```")[1]
    names: list[str] = re.findall(r"^([a-z]+) ", picture, re.MULTILINE)
    return names[1:]  # without the overrides, of which the configuration is made


def test_the_stations_that_a_run_passes_are_those_of_the_documented_flow(run_cli: Any, here: Path) -> None:
    words = ["tracking=none", "report=false", "trainer.epochs=1", "data.load.batch_size=512"]
    answer = run_cli(*words, "harness.walk=true")
    assert (answer.status, answer.err) == (0, "")
    printed = re.findall(r"^walk: (.*)$", answer.out, re.MULTILINE)
    assert printed == documented()
    assert len(printed) > 8


def test_each_step_is_printed_once_and_only_within_a_walk() -> None:
    passes("before")
    printed: list[str] = []
    with walk_printed(False, printed.append):
        passes("unheard")
    with walk_printed(True, printed.append):
        for station in ("extract", "split", "extract"):
            passes(station)
    passes("after")
    assert printed == ["walk: extract", "walk: split"]
