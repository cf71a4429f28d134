"""A sweep whose database goes away while its trials run."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow

RATE = "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_database_that_is_restarted_costs_no_trial(terminal: Any, postgres: Any, workers: int) -> None:
    name = f"restarted{workers}"
    command = terminal(
        *("sweep=random", f"sweep.name={name}", "sweep.objectives=valid/loss", RATE, "trainer.epochs=150"),
        *(f"sweep.trials={workers}", f"sweep.workers={workers}", f"sweep.storage={postgres.url}"),
        *("data/extract=iris", "tracking=none", "trainer.patience=null"),
    )
    sweep = terminal.sweep(f"{name}-0", postgres.url)

    def epochs() -> int:
        return sum(len(sweep.events(int(path.name), "metrics")) for path in sweep.folder.glob("[0-9]"))

    terminal.until(lambda: epochs() > 5)
    postgres.stop()
    try:
        before = epochs()
        terminal.until(lambda: "does not answer" in command.output())
        terminal.until(lambda: epochs() > before + 20)  # trials go on meanwhile
    finally:
        postgres.start()
    ended = command.wait()
    assert ended.status == 0, ended
    assert ended.out.count("does not answer") == ended.out.count("answers again") == 1
    assert sweep.states == ["COMPLETE"] * workers
    for trial in sweep.trials:
        assert sorted(trial.intermediate_values) == list(range(1, 151))
        assert len(sweep.events(trial.number, "start")) == 1
