"""One job of a multirun, as every launcher of ours begins and ends it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from harness.runtime.config_nodes import copied
from harness.sweep.launch.child_process import Died

_LOOKING = threading.Lock()


@dataclass(frozen=True)
class Job:
    """Words of the command line, the configuration they make, and the folder for what the job leaves."""

    words: list[str]
    config: DictConfig
    folder: Path


def workers_apart(config: DictConfig) -> bool:
    """Whether the launcher of a multirun runs its jobs on machines that cost only while they work."""
    name = str(config.hydra.launcher.get("_target_")).rpartition(".")[2]
    return name in ("SlurmLauncher", "RayLauncher")


def compose(
    context: HydraContext, config: DictConfig, words: list[str], number: int, task: TaskFunction
) -> Job:
    """The job of these words.

    Args:
        config: of the multirun.
        number: of the job, its `hydra.job.num`.
        task: which may say that it reads no configuration (`reads_config`), so that none is composed.
    """
    if getattr(task, "reads_config", True):
        made = context.config_loader.load_sweep_config(config, words)
    else:
        made = copied(config)
    with open_dict(made):
        made.hydra.job.id = f"{made.hydra.job.name}_{number}"
        made.hydra.job.num = number
    return Job(words, made, _folder(made))


def folder_words(folder: Path, subdir: str) -> list[str]:
    """The overrides that place a job in `<folder>/<subdir>`; `subdir` may have references of Hydra's."""
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    return [f"hydra.sweep.dir='{quoted}'", f"hydra.sweep.subdir='{subdir}'"]


def work(context: HydraContext, job: Job, task: TaskFunction) -> JobReturn:
    """Runs the job in this process; an error of the task is in the returned job."""
    return run_job(
        hydra_context=context,
        config=job.config,
        task_function=task,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def work_apart(context: HydraContext, job: Job, task: TaskFunction, singletons: Any) -> JobReturn:
    """Runs the job in another process than the one where Hydra was started, with that one's singletons."""
    setup_globals()
    Singleton.set_state(singletons)
    return work(context, job, task)


def failed(words: list[str], error: BaseException, config: DictConfig | None = None) -> JobReturn:
    """What comes back of a job whose process was lost."""
    result = JobReturn(overrides=words, status=JobStatus.FAILED)
    result.return_value = error
    if config is not None:
        result.cfg = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        result.hydra_cfg = OmegaConf.masked_copy(config, "hydra")
    return result


def not_begun() -> Died:
    """The error of a job that a stopped launcher did not begin."""
    return Died("the job was not begun: its launcher had been stopped.")


def _folder(config: DictConfig) -> Path:
    """`hydra.sweep.dir` and below it `hydra.sweep.subdir`, which may ask for more of Hydra's settings."""
    with _LOOKING:
        before = HydraConfig.instance().cfg
        HydraConfig.instance().set_config(config)
        try:
            sweep = config.hydra.sweep
            return Path(str(sweep.dir)).absolute() / str(sweep.subdir)
        finally:
            HydraConfig.instance().cfg = before
