"""A sweep that `harness stop` ends while its only worker shares its process"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from harness.core.errors import UserError
from harness.sweep.control import live_report
from harness.sweep.control.live_sweep import LiveSweep

pytestmark = pytest.mark.slow

ENDLESS = (
    *("data/extract=iris", "model=mlp", "model.widths=[8]", "trainer.epochs=100000", "trainer.patience=null"),
    *("tracking=none", "split.guard=off", "fuse=off", "hydra/launcher=basic", "sweep=random", "sweep.name=s"),
    *("sweep.trials=3", "trainer.optimizer.lr=interval(0.001,0.01)", "checkpoint.share=0"),
)


@pytest.fixture
def stopper() -> Iterator[list[str]]:
    """Ends the first trial, then the sweep, as another shell would; notes the states in which they were."""
    found: list[str] = []

    def stop() -> None:
        until = time.monotonic() + 120
        while time.monotonic() < until and len(found) < 2:
            time.sleep(0.3)
            with suppress(UserError, FileNotFoundError):
                sweep = LiveSweep.open("s", Path("outputs"))
                running = [
                    row.number for row in sweep.snapshot().rows if row.state == "running" and row.reports
                ]
                if running == [0] and not found:
                    found.append(sweep.stop_trial(0))
                elif running == [1] and found:
                    sweep.stop()
                    found.append("sweep")

    thread = threading.Thread(target=stop)
    thread.start()
    yield found
    thread.join()


def test_a_trial_then_the_sweep_and_its_command_continues_it(
    run_cli, here: Path, stopper: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_report, "_INTERVAL", 0.0)
    answer = run_cli("-m", *ENDLESS)
    assert stopper == ["running", "sweep"]
    assert answer.status == 143, answer.err
    assert "interrupted" in answer.out
    sweep = LiveSweep.open("s", here / "outputs")
    states = {row.number: row.state for row in sweep.snapshot().rows}
    assert states == {0: "pruned", 1: "waiting"}
    assert not sweep.finished
    assert list((sweep.folder / "1").glob("checkpoints/*.safetensors"))
