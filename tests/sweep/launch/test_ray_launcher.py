from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.config.choice_files import CONF
from harness.core.errors import UserError
from harness.sweep.launch.ray import Ray, check

# Ray is started in a process of its own: its threads and signal handlers are not for the tests' process.
PROGRAM = """\
import os, signal, sys
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode

def task(cfg):
    from hydra.core.hydra_config import HydraConfig
    if cfg.number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.number == 3:
        raise KeyError("three")
    return [os.getpid() == started_by, HydraConfig.get().job.num, cfg.number]

def outcome_of(job):
    answer = job._return_value
    kind = type(answer).__name__
    return [job.status.name, job.overrides, f"{kind}: {answer}" if isinstance(answer, Exception) else answer]

started_by = os.getpid()
hydra = Hydra.create_main_hydra2("tiny", create_config_search_path(None))
words = ["hydra/launcher=ray", "hydra.sweep.dir=sweep", "hydra.hydra_logging.root=null"]
config = hydra.compose_config(None, [*words, *sys.argv[1:]], run_mode=RunMode.MULTIRUN)
context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
launcher = Plugins.instance().instantiate_launcher(
    hydra_context=context, task_function=task, config=config
)
print([outcome_of(job) for job in launcher.launch([[f"+number={number}"] for number in (1, 2, 3, 4)], 0)])
import ray
print(ray.is_initialized(), os.environ["RAY_USAGE_STATS_ENABLED"])
"""


@pytest.fixture
def typed(tmp_path: Path) -> Any:
    """`typed("hydra.launcher.cpus=1")` is the program with these words; what it printed, and its status."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed (pip install 'harness[ray]')")
    (tmp_path / "task.py").write_text(PROGRAM)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "task.py", f"hydra.searchpath=[file://{CONF}]", *words],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


@pytest.mark.slow
def test_jobs_are_tasks_of_ray_and_a_lost_worker_is_one_failed_job(typed: Any) -> None:
    done = typed()
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stdout + done.stderr
    first, lost, raised, last = ast.literal_eval(lines[0])
    assert first == ["COMPLETED", ["+number=1"], [False, 0, 1]]
    assert last == ["COMPLETED", ["+number=4"], [False, 3, 4]]
    assert raised == ["FAILED", ["+number=3"], "KeyError: 'three'"]
    assert lost[:2] == ["FAILED", ["+number=2"]]
    assert lost[2].startswith("Died: the worker process was lost (The worker died unexpectedly")
    assert done.stderr == ""
    assert lines[-1] == "False 0"  # ended with the launch that started it, and nothing was printed


@pytest.mark.parametrize(
    ("sizes", "key"),
    [((8.0, 0.0), "hydra.launcher.cpus"), ((1.0, 2.0), "hydra.launcher.gpus")],
)
def test_a_job_that_no_node_has_room_for_is_refused(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[float, float], key: str
) -> None:
    stopped: list[bool] = []
    nodes = [
        {"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    cluster = SimpleNamespace(
        nodes=lambda: nodes,
        is_initialized=lambda: False,
        init=lambda **settings: None,
        shutdown=lambda: stopped.append(True),
    )
    monkeypatch.setitem(sys.modules, "ray", cluster)
    cpus, gpus = sizes
    launcher = Ray(cast("Any", None), cast("Any", None), cast("Any", None), None, cpus, gpus)
    with pytest.raises(UserError, match=f"^{re.escape(key)}=") as refused:
        launcher._begin()
    assert refused.value.key == key
    assert stopped == [True]


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_refused(typed: Any) -> None:
    done = typed("hydra.launcher.address=auto")
    assert done.returncode == 1
    assert "Ray cannot be reached at hydra.launcher.address=auto (" in done.stderr
    assert "give the address of a running cluster, or null to start Ray here." in done.stderr


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ((None, 0, 0), "hydra.launcher.cpus must be above 0, got 0."),
        ((None, 1, -1), "hydra.launcher.gpus must be a whole number, or a fraction below 1, got -1."),
        ((None, 1, 1.5), "hydra.launcher.gpus must be a whole number, or a fraction below 1, got 1.5."),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    settings: tuple[Any, ...], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.sweep.launch.ray.find_spec", lambda name: name)  # as if Ray were installed
    with pytest.raises(UserError) as refused:
        check(*settings)
    assert str(refused.value) == sentence


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.sweep.launch.ray.find_spec", lambda name: None)
    with pytest.raises(UserError) as refused:
        check(None, 1, 0)
    assert str(refused.value) == (
        "hydra/launcher=ray needs Ray, which is not installed: pip install 'harness[ray]'."
    )
