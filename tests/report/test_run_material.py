"""What a page reads from the folder of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.report.run_material import RunMaterial
from harness.runs.stored_run import StoredRun
from harness.runtime.stored_file import DamagedFile

CHECK = {"check": "duplicates", "severity": "fine", "sentence": "No row is a copy of another."}


def test_the_findings_of_the_leakage_checks_are_read(tmp_path: Path) -> None:
    assert RunMaterial(StoredRun(tmp_path)).checks == []
    (tmp_path / "checks.json").write_text(json.dumps([CHECK]))
    assert RunMaterial(StoredRun(tmp_path)).checks == [CHECK]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "its content: input should be a valid list"),
        ([{**CHECK, "severity": 3}], "0.severity: input should be a valid string"),
        ([{"check": "duplicates", "severity": "fine"}], "0.sentence is missing"),
    ],
)
def test_findings_of_another_form_are_damage(tmp_path: Path, content: Any, reason: str) -> None:
    (tmp_path / "checks.json").write_text(json.dumps(content))
    with pytest.raises(DamagedFile) as caught:
        _ = RunMaterial(StoredRun(tmp_path)).checks
    assert caught.value.reason == reason
