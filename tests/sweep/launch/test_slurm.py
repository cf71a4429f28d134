from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from harness.config.choice_files import CONF
from harness.sweep.launch.submitit_files import forget, prepare

PROGRAM = """\
import os, sys
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from omegaconf import OmegaConf
from harness.sweep.launch.submitit_files import prepare

def task(cfg):
    return int(os.environ["SLURM_JOB_ID"]) > 0, os.environ["SLURM_CPUS_PER_TASK"], cfg.number

prepare(OmegaConf.create({"hydra": {"launcher": {"submitit_folder": "sweep/workers/slurm/%j"}}}))
hydra = Hydra.create_main_hydra2("tiny", create_config_search_path(None))
(jobs,) = hydra.multirun(None, task, sys.argv[1:])
print([job.return_value for job in jobs])
"""


@pytest.mark.slow
def test_a_multirun_goes_through_a_real_slurm_by_our_yaml(slurm: Path, tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(PROGRAM)
    command = [sys.executable, "task.py", "hydra/launcher=slurm", "hydra/sweeper=basic", "+number=1,2"]
    words = [f"hydra.searchpath=[file://{CONF}]", "hydra.sweep.dir=sweep", "hydra.hydra_logging.root=null"]
    done = subprocess.run(
        [*command, *words],
        cwd=tmp_path,
        env={**os.environ, "SLURM_CONF": str(slurm), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, "")  # also where sacct has nothing to ask
    assert ast.literal_eval(done.stdout) == [(True, "4", 1), (True, "4", 2)]
    assert len(list((tmp_path / "sweep/workers/slurm").glob("*/*_submitted.pkl"))) == 2


@pytest.mark.parametrize("launcher", ["submitit_slurm", "submitit_local"])
def test_files_pickled_by_submitit_are_readable_by_the_user_only_and_removed_with_the_sweep(
    launcher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBMITIT_LOG_LEVEL", "")  # so that it is as before afterwards
    monkeypatch.delenv("SUBMITIT_LOG_LEVEL")
    monkeypatch.setenv("PATH", "")  # no SLURM is asked
    place = tmp_path / "workers" / launcher
    config = OmegaConf.create({"hydra": {"launcher": {"submitit_folder": f"{place}/%j"}}})
    assert prepare(config) == place
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert os.environ["SUBMITIT_LOG_LEVEL"] == "ERROR"
    (place / "7").mkdir()
    for name in ("7_submitted.pkl", "7_0_result.pkl", "7_0_log.out"):
        (place / "7" / name).write_text("password")
    forget(config)
    assert [file.name for file in place.rglob("*") if file.is_file()] == ["7_0_log.out"]


def test_a_launcher_that_leaves_no_pickles_has_nothing_to_protect() -> None:
    config = OmegaConf.create({"hydra": {"launcher": {"workers": 1}}})
    assert prepare(config) is None
    forget(config)
