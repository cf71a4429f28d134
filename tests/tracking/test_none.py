from __future__ import annotations

from pathlib import Path

from harness.tracking.none import Untracked


def test_without_tracking_nothing_happens(tmp_path: Path) -> None:
    tracking = Untracked()
    tracking.follow(tmp_path)
    assert (tracking.link(tmp_path, 1.0), tracking.settle(tmp_path, 1.0)) == (None, None)
    assert list(tmp_path.iterdir()) == []
