"""harness/runtime/usable_cores.py"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.runtime import usable_cores


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 4), ("250000 100000", 2), ("50000 100000", 1), ("900000 100000", 4), ("unreadable", 4)],
)
def test_a_quota_of_a_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    (tmp_path / "cpu.max").write_text(quota + "\n")
    monkeypatch.setattr(usable_cores, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    assert usable_cores.usable_cores() == expected


def test_without_a_container_it_is_the_affinity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usable_cores, "_QUOTA", tmp_path / "none")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert usable_cores.usable_cores() == 1


@pytest.mark.parametrize(
    ("cores", "threads", "load", "expected"),
    [(2, 1, 1.4, True), (2, 1, 1.6, False), (2, 2, 0.0, False), (1, 1, 0.0, False), (8, 4, 7.0, True)],
)
def test_a_core_is_idle_beside_the_threads_while_fewer_processes_want_to_run(
    monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, load: float, expected: bool
) -> None:
    monkeypatch.setattr(usable_cores, "usable_cores", lambda: cores)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 9.0, 9.0))
    assert usable_cores.has_idle_core(threads) is expected


def test_a_system_that_does_not_say_has_no_idle_core(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> None:
        raise OSError

    monkeypatch.setattr(usable_cores, "usable_cores", lambda: 8)
    monkeypatch.setattr(os, "getloadavg", unknown)
    assert not usable_cores.has_idle_core(1)
