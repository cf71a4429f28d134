"""Hydra's door to `harness.sweep`: Hydra finds sweepers in this namespace only."""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class HarnessSweeper(Sweeper):
    """Trials of a search space, each a run in a folder of its own; see `harness.sweep.run_sweep`."""

    def __init__(self, **unread: Any) -> None:
        del unread  # `setup` refuses each of them, with its file
        self._config: DictConfig | None = None
        self._context: HydraContext | None = None
        self._task: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from harness.config.home_folders import expand_home
        from harness.config.unread_settings import refuse_unread

        refuse_unread(config)
        expand_home(config)
        self._config = config
        self._context = hydra_context
        self._task = task_function

    def sweep(self, arguments: list[str]) -> Any:
        from harness.config.overrides import Overrides
        from harness.sweep.run_sweep import run_sweep

        assert self._config is not None
        assert self._context is not None
        # The arguments hold the choices that `auto` stands for in the first trial; each trial makes its own.
        typed = getattr(self._task, "typed", None)
        typed = typed.of_the_task() if typed is not None else Overrides.parse(arguments)
        ended = getattr(self._task, "ended", lambda folder, result: None)
        return run_sweep(typed, self._config, self._context, ended)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="harness",
    node={"_target_": "hydra_plugins.harness_sweeper.HarnessSweeper"},
    provider="harness",
)
