"""Hydra's door to `harness.sweep.launch`: Hydra finds launchers in this namespace only.

Their settings stand in conf/hydra/launcher. Hydra would take a node of the same name in its ConfigStore for
a schema, and warn at every command.
"""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class LocalLauncher(Launcher):
    """Jobs on this machine, each slot with its share of CPU threads and GPUs; see `harness.sweep.launch`.

    workers  how many jobs run at a time; a single one runs in this process
    gpus     per job: 2, 1, 0.5, or 0; None: those there are, shared evenly
    threads  CPU threads per job; None: the cores there are, shared evenly
    """

    def __init__(self, workers: int = 1, gpus: float | None = None, threads: int | None = None) -> None:
        self._settings = workers, gpus, threads
        self._jobs: Any = None

    @property
    def in_process(self) -> bool:
        """Whether jobs run in this process, and so in its main thread only; known once it is set up."""
        return bool(self._jobs.in_process)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from harness.sweep.launch.local import Local, check

        check(*self._settings)
        self._jobs = Local(hydra_context, config, task_function, *self._settings)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        found: list[JobReturn] = self._jobs.launch(job_overrides, initial_job_idx)
        return found

    def stop(self) -> None:
        """Asks every job to end (SIGTERM) and begins no other."""
        self._jobs.stop()


class RayLauncher(Launcher):
    """Jobs as tasks of Ray, on this machine or on a cluster; see `harness.sweep.launch.ray`.

    address  of a running cluster: auto, HOST:PORT or ray://HOST:PORT; None: Ray is started here, and ended
    cpus     that a job takes, also a fraction
    gpus     that a job takes, also a fraction
    """

    def __init__(self, address: str | None = None, cpus: float = 1, gpus: float = 0) -> None:
        self._settings = address, cpus, gpus
        self._jobs: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from harness.sweep.launch.ray import Ray, check

        check(*self._settings)
        self._jobs = Ray(hydra_context, config, task_function, *self._settings)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        found: list[JobReturn] = self._jobs.launch(job_overrides, initial_job_idx)
        return found

    def stop(self) -> None:
        """Asks every job to end and begins no other."""
        self._jobs.stop()
