"""Hydra's door to `harness.sweep`: Hydra finds sweepers in this namespace only."""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class HarnessSweeper(Sweeper):
    """Trials of a search space, each in a folder of its own.

    A trial of `python -m harness` is a run, see `harness.sweep.run_sweep`. One of another program is a call
    of its task, see `harness.sweep.program.sweep_program`.
    """

    def __init__(self, **unread: Any) -> None:
        del unread  # each of them is refused, with its file
        self._config: DictConfig | None = None
        self._context: HydraContext | None = None
        self._task: Any = None
        self._own = True

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from harness.config.choice_files import is_own
        from harness.config.home_folders import expand_home
        from harness.config.unread_settings import refuse_unread

        self._own = is_own(entry.path for entry in hydra_context.config_loader.get_search_path().get_path())
        if self._own:
            refuse_unread(config)
            expand_home(config)
        self._config = config
        self._context = hydra_context
        self._task = task_function

    def sweep(self, arguments: list[str]) -> Any:
        assert self._config is not None
        assert self._context is not None
        if not self._own:
            from harness.sweep.program.sweep_program import sweep_program

            return sweep_program(arguments, self._config, self._context, self._task)

        from harness.config.overrides import Overrides
        from harness.sweep.run_sweep import run_sweep

        # The arguments hold the choices that `auto` stands for in the first trial; each trial makes its own.
        typed = getattr(self._task, "typed", None)
        typed = typed.of_the_task() if typed is not None else Overrides.parse(arguments)
        ended = getattr(self._task, "ended", lambda folder, result: None)
        return run_sweep(typed, self._config, self._context, ended)


_OF_OTHER_SWEEPERS = (
    *("params", "search_space", "custom_search_space", "n_trials", "n_jobs", "direction", "sampler"),
    *("study_name", "storage", "max_failure_rate"),
)
"""Keys of the official Optuna sweeper. They exist so that they can be answered, see
`harness.sweep.program.optuna_keys`; `sweep` is for programs whose configuration takes no new key."""

ConfigStore.instance().store(
    group="hydra/sweeper",
    name="harness",
    node={
        "_target_": "hydra_plugins.harness_sweeper.HarnessSweeper",
        "_recursive_": False,
        "sweep": None,
        **dict.fromkeys(_OF_OTHER_SWEEPERS),
    },
    provider="harness",
)
