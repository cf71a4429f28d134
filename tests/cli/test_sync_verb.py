from __future__ import annotations

from typing import Any

import pytest


def test_each_line_of_the_sending_is_printed(run_cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def sync(*words: object, **more: object) -> list[str]:
        asked.append((words, more))
        return ["one sent.", "two sent."]

    monkeypatch.setattr("harness.tracking.sync_runs.sync", sync)
    answer = run_cli("sync", "a/run", "--outputs", "there", "--uri", "http://host")
    assert answer == (0, "one sent.\ntwo sent.\n", "")
    assert asked == [(("a/run", "there"), {"uri": "http://host"})]


def test_without_a_run_the_whole_output_folder_is_looked_through(run_cli: Any) -> None:
    assert run_cli("sync") == (0, "nothing to send.\n", "")
