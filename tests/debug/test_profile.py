"""debug=profile leaves a table and a trace of the steps after the warm-up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.debug.profile import Profile


def test_the_table_and_the_trace_are_of_the_steps_after_the_warm_up(study: Callable[..., Any]) -> None:
    made = study("debug=profile", "debug.warmup=2", "trainer.steps=5", "debug.rows=60")
    assert made.run() is None
    assert made.experiment.trainer.step == 5
    (table,) = made.notebook.text
    assert table.startswith("3 training steps on cpu, operators by their own time\n")
    calls = {
        line.split()[0]: int(line.split()[-1]) for line in table.splitlines() if " aten::linear " in line
    }
    assert calls == {"aten::linear": 2 * 3}  # the model's layer and the head's, in each of the steps
    assert (made.notebook.folder / "profile.txt").read_text() == table
    trace = json.loads((made.notebook.folder / "trace.json").read_text())
    steps = {e["name"] for e in trace["traceEvents"] if str(e.get("name")).startswith("ProfilerStep#")}
    assert steps == {"ProfilerStep#2", "ProfilerStep#3", "ProfilerStep#4"}
    assert made.notebook.artifacts == [("profile.txt", ""), ("trace.json", "")]


def test_a_warm_up_that_leaves_no_step_is_refused_before_anything_is_written(
    refusal: Callable[..., str],
) -> None:
    sentence = refusal("debug=profile", "debug.warmup=5", "trainer.steps=5", "data/extract=iris")
    assert sentence == "debug.warmup must be below trainer.steps, got 5 of 5."


@pytest.mark.parametrize("name", ["warmup", "rows"])
def test_a_count_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be 1 or more, got 0$"):
        Profile(**({"warmup": 2, "steps": 4, "rows": 2} | {name: 0}))
