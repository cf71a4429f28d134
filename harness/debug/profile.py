"""debug=profile: measures the time of each operator in a training step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import torch

from harness.debug.step_observer import unjudged
from harness.prepare.experiment import Experiment
from harness.record.fold_record import FoldRecord

TABLE, TRACE = "profile.txt", "trace.json"


@final
class Profile:
    """Runs `trainer.steps` steps under PyTorch's profiler and records those after the warm-up.

    Writes `profile.txt`, the operators sorted by their own time (on the GPU if there is one), and
    `trace.json` for chrome://tracing or Perfetto.

    Args:
        warmup: first steps, which are not recorded.
        steps: `trainer.steps`, more than the warm-up.
        rows: operators in the table.

    Raises:
        ValueError: a value is below 1, or there is no step after the warm-up.
    """

    folds = 1

    def __init__(self, *, warmup: int, steps: int, rows: int) -> None:
        for name, value in (("warmup", warmup), ("rows", rows)):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more, got {value}")
        if steps <= warmup:
            raise ValueError(f"warmup must be below trainer.steps, got {warmup} of {steps}")
        self.warmup, self.steps, self.rows = warmup, steps, rows
        self.says = (
            f"debug=profile: the training steps after the first {warmup} are profiled; nothing is evaluated "
            "or tracked"
        )

    @contextmanager
    def __call__(
        self, experiment: Experiment, fold_record: FoldRecord, stop: Callable[[], bool]
    ) -> Iterator[Experiment | None]:
        table = self._profile(experiment, fold_record.folder, stop)
        if not stop():
            (fold_record.folder / TABLE).write_text(table, encoding="utf-8")
            for name in (TABLE, TRACE):
                fold_record.journal.artifact(fold_record.key, Path(fold_record.key) / name)
            fold_record.screen.say(table)
        yield None

    def _profile(self, experiment: Experiment, folder: Path, stop: Callable[[], bool]) -> str:
        """Writes the trace into the folder and returns the table."""
        trainer, active = experiment.trainer, self.steps - self.warmup
        tables: list[str] = []

        def keep(profiler: Any) -> None:
            profiler.export_chrome_trace(str(folder / TRACE))
            tables.append(self._table(profiler, trainer.device, active))

        with torch.profiler.profile(
            activities=_activities(trainer.device),
            schedule=torch.profiler.schedule(wait=self.warmup - 1, warmup=1, active=active, repeat=1),
            acc_events=True,  # of the only cycle; else torch 2.10 warns that those of others are lost
            on_trace_ready=keep,
        ) as profiler:

            def after_step() -> bool:
                profiler.step()
                return stop()

            for _ in trainer.fit(
                experiment.model, experiment.loaders, experiment.augment, unjudged, after_step
            ):
                pass  # the profiler has recorded it
        return "".join(tables)

    def _table(self, profiler: Any, device: torch.device, steps: int) -> str:
        kind = "cpu" if device.type == "cpu" else "device"
        averages = profiler.key_averages()
        title = f"{steps} training steps on {device}, operators by their own time"
        text = averages.table(
            sort_by=f"self_{kind}_time_total", row_limit=self.rows, max_name_column_width=48
        )
        return f"{title}\n{text}"


def _activities(device: torch.device) -> list[torch.profiler.ProfilerActivity]:
    kinds = [torch.profiler.ProfilerActivity.CPU]
    return [*kinds, torch.profiler.ProfilerActivity.CUDA] if device.type == "cuda" else kinds
