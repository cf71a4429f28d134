"""The same sweep through every launcher, with no change but its name.

`slurm` is submitit's launcher for SLURM with our defaults.
"""

from __future__ import annotations

import os
import signal
from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SWEEP = (
    *("sweep=random", "sweep.trials=2", "sweep.objectives=valid/loss"),
    "trainer.optimizer.lr=tag(log,interval(1e-4,1e-1))",
)
LONG = ("trainer.epochs=60", "checkpoint.share=1")

NEEDS = {"joblib": "hydra_plugins.hydra_joblib_launcher", "ray": "ray", "submitit": "submitit"}

_EXPECTED: dict[tuple[str, ...], list[float]] = {}


@pytest.fixture
def expected(terminal: Any, run_cli: Any) -> Any:
    """`expected(*overrides)`: the values of that sweep in one worker of this process, computed once."""

    def values(*overrides: str) -> list[float]:
        if overrides not in _EXPECTED:
            _EXPECTED[overrides] = terminal.alone(run_cli, *overrides).values
        return _EXPECTED[overrides]

    return values


@pytest.fixture
def variables(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the launcher's command finds in its environment; skips the test where it cannot run."""
    launcher = request.getfixturevalue("launcher")
    for name, module in NEEDS.items():
        if launcher.startswith(name) and find_spec(module) is None:
            pytest.skip(f"{launcher} is not installed (pip install 'harness[{name}]')")
    if launcher.endswith("slurm"):
        return {"SLURM_CONF": str(request.getfixturevalue("slurm"))}
    return {}


@pytest.mark.parametrize("launcher", ["local", "submitit_local", "slurm"])
def test_every_launcher_gives_the_same_values(
    terminal: Any, expected: Any, launcher: str, variables: dict[str, str]
) -> None:
    found = terminal.run(*SWEEP, f"hydra/launcher={launcher}", "sweep.workers=2", **variables)
    assert found.states == ["COMPLETE"] * 2
    assert found.values == pytest.approx(expected(*SWEEP), rel=1e-5)
    assert len(set(found.values)) == 2
    assert found.result["status"] == "finished"


@pytest.mark.parametrize("launcher", ["joblib", "ray"])
def test_a_killed_worker_of_any_launcher_loses_no_trial_and_changes_no_value(
    terminal: Any, expected: Any, launcher: str, variables: dict[str, str]
) -> None:
    overrides = (*SWEEP, *LONG)
    command = terminal(*overrides, f"hydra/launcher={launcher}", "sweep.workers=2", **variables)
    sweep = terminal.the_sweep()
    number, pid = terminal.until(sweep.with_a_checkpoint).popitem()
    os.kill(pid, signal.SIGKILL)
    assert command.wait().status == 0
    assert sweep.states == ["COMPLETE"] * 2
    assert len(sweep.events(number, "start")) >= 2
    assert sweep.repeated_epochs(number) == []
    assert sweep.values == pytest.approx(expected(*overrides), rel=1e-5)
