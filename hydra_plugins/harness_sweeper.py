"""Hydra's door to `harness.sweep`: Hydra finds sweepers in this namespace only."""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class HarnessSweeper(Sweeper):
    """Every combination of the choices, each run in a folder of its own; see `harness.sweep`."""

    def __init__(self) -> None:
        self._config: DictConfig | None = None
        self._context: HydraContext | None = None
        self._launcher: Launcher | None = None
        self._made: list[str] = []

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self._config = config
        self._context = hydra_context
        self._made = getattr(task_function, "made", [])
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        from harness.sweep.grid import sweep

        assert self._config is not None
        assert self._context is not None
        assert self._launcher is not None
        typed = [word for word in arguments if word not in self._made]
        return sweep(typed, self._config, self._context.config_loader, self._launcher)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="harness",
    node={"_target_": "hydra_plugins.harness_sweeper.HarnessSweeper"},
    provider="harness",
)
