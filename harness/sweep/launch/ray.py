"""Jobs as tasks of Ray, on this machine or on a running cluster."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from harness.core.errors import UserError
from harness.sweep.launch.child_process import Died
from harness.sweep.launch.launcher_job import Job, compose, failed, not_begun, work_apart

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # or Ray reports its use to its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what Ray announces as its next default, with a warning
    # The job that is returned reports a lost worker; Ray would print a paragraph about it as well.
    "RAY_DEDUP_LOGS_SKIP_REGEX": "A worker died or was killed",
}


def check(address: str | None, cpus: float, gpus: float) -> None:
    """Checks that Ray is installed and that the settings of `hydra.launcher` are valid.

    Raises:
        UserError: it is not, or one is not.
    """
    if find_spec("ray") is None:
        raise UserError(
            "hydra/launcher=ray needs Ray, which is not installed: pip install 'harness[ray]'",
            key="hydra/launcher",
            value="ray",
        )
    if cpus <= 0:
        raise UserError(
            f"hydra.launcher.cpus must be above 0, got {cpus:g}", key="hydra.launcher.cpus", value=cpus
        )
    if gpus < 0 or (gpus > 1 and gpus != int(gpus)):
        raise UserError(
            f"hydra.launcher.gpus must be a whole number, or a fraction below 1, got {gpus:g}",
            key="hydra.launcher.gpus",
            value=gpus,
        )


class Ray:
    """The jobs of one launcher; `launch` may be called from several threads.

    Args:
        address: of a running cluster; None: Ray is started here, and ended after the last launch.
        cpus: that a job takes.
        gpus: that a job takes; Ray assigns them.
    """

    in_process = False

    def __init__(
        self,
        context: HydraContext,
        config: DictConfig,
        task: TaskFunction,
        address: str | None,
        cpus: float,
        gpus: float,
    ) -> None:
        self._context, self._config, self._task = context, config, task
        self._address, self._cpus, self._gpus = address, cpus, gpus
        self._changing = threading.RLock()
        self._launches = 0
        self._began = False
        self._refs: list[Any] = []
        self._stopped = False

    def launch(self, overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Runs a job for each list of overrides, as many at a time as fit; returns them in order.

        Raises:
            UserError: the cluster cannot be reached, or has no node with room for a single job.
        """
        setup_globals()
        with self._changing:
            jobs = [
                compose(self._context, self._config, list(words), number, self._task)
                for number, words in enumerate(overrides, start=first)
            ]
            if self._stopped:
                return [failed(job.words, not_begun(), job.config) for job in jobs]
            self._begin()
        try:
            refs = self._submit(jobs)
            return [self._await(job, ref) for job, ref in zip(jobs, refs, strict=True)]
        finally:
            self._end()

    def stop(self) -> None:
        """Asks every job to end, as Ctrl-C does, and starts no other; `launch` then returns."""
        import ray

        with self._changing:
            self._stopped = True
            for ref in self._refs:
                ray.cancel(ref, force=False)

    def _submit(self, jobs: list[Job]) -> list[Any]:
        import ray

        # Ray must not retry: the sweep decides whether a trial is repeated, and from which checkpoint.
        remote: Any = ray.remote(num_cpus=self._cpus, num_gpus=self._gpus, max_retries=0)(work_apart)
        singletons = Singleton.get_state()
        refs = [remote.remote(self._context, job, self._task, singletons) for job in jobs]
        with self._changing:
            self._refs += refs
        return refs

    def _await(self, job: Job, ref: Any) -> JobReturn:
        import ray

        try:
            result: JobReturn = ray.get(ref)
            return result
        except ray.exceptions.TaskCancelledError:
            return failed(job.words, Died("the job was stopped."), job.config)
        except ray.exceptions.RayTaskError as error:
            return failed(job.words, error.cause or error, job.config)
        except ray.exceptions.RayError as error:
            line = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            return failed(job.words, Died(f"the worker process was lost ({line})."), job.config)
        finally:
            with self._changing:
                self._refs.remove(ref)

    def _begin(self) -> None:
        """Starts Ray, or joins the cluster, unless this program has done so already."""
        for name, value in _QUIET.items():  # read while Ray is imported
            os.environ.setdefault(name, value)
        import ray

        self._launches += 1
        if ray.is_initialized():
            return
        local: dict[str, Any] = {"include_dashboard": False} if self._address is None else {}
        try:
            ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR, **local)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            self._launches -= 1
            line = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise UserError(
                f"Ray cannot be reached at hydra.launcher.address={self._address} ({line})",
                "give the address of a running cluster, or null to start Ray here",
                key="hydra.launcher.address",
                value=self._address,
            ) from error
        self._began = True
        self._refuse_too_much()

    def _refuse_too_much(self) -> None:
        """Raises where no node has room for a job: Ray would wait forever for such a node to join."""
        import ray

        nodes: Any = ray.nodes  # without types
        for name, key, wanted in (("CPU", "cpus", self._cpus), ("GPU", "gpus", self._gpus)):
            most = max((node["Resources"].get(name, 0) for node in nodes() if node["Alive"]), default=0)
            if wanted > most:
                self._end()
                raise UserError(
                    f"hydra.launcher.{key}={wanted:g} is more than a node of Ray's has ({most:g})",
                    "lower it",
                    key=f"hydra.launcher.{key}",
                    value=wanted,
                )

    def _end(self) -> None:
        """Ends Ray after the last launch, if it was started here."""
        import ray

        with self._changing:
            self._launches -= 1
            if self._began and self._launches == 0:
                ray.shutdown()
                self._began = False
