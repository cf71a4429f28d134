"""Writes the report of a sweep while it runs."""

from __future__ import annotations

import time
from contextlib import suppress

from harness.sweep.report.sweep_result import again
from harness.sweep.report.write_sweep_page import SweepMaterial, write_report
from harness.sweep.study.snapshot import Row, Snapshot
from harness.sweep.worker.sweep_spec import SweepSpec

_INTERVAL = 20.0
"""Least seconds between two writes, and those after which the page reloads itself."""

_SHARE = 0.02
"""Most of the time that is spent on writing."""


class LiveReport:
    """Writes `report.html` again where trials have ended since; at the end `close_sweep` writes it whole."""

    def __init__(self, spec: SweepSpec) -> None:
        self._spec = spec
        self._next = time.monotonic() + _INTERVAL
        self._ended = 0

    def update(self, now: Snapshot, command: str) -> None:
        """Writes the report if it is time and something is new; a failure waits for the next turn.

        Args:
            command: of the sweep, without secrets.
        """
        began = time.monotonic()
        if began < self._next or now.ended == self._ended:
            return
        self._ended = now.ended
        with suppress(OSError):
            self.write(now, command)
        self._next = time.monotonic() + max(_INTERVAL, (time.monotonic() - began) / _SHARE)

    def write(self, now: Snapshot, command: str) -> None:
        """Writes the report of a sweep that runs.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        spec = self._spec
        material = SweepMaterial(now, about(spec, command), spec.space.distributions(), self._command)
        write_report(spec.folder, spec.location.study, material, reload=_INTERVAL)

    def _command(self, row: Row) -> str:
        return trial_command(self._spec, row)


def trial_command(spec: SweepSpec, row: Row) -> str:
    """The command that runs a trial alone."""
    fuse = spec.fuse_words  # instead of what was typed, such as fuse=auto
    left_out = [*spec.runner.sweep_keys, *(word.partition("=")[0] for word in fuse)]
    return again(spec.space.fixed, [*fuse, *spec.space.words(dict(row.point))], spec.runner.command, left_out)


def about(spec: SweepSpec, command: str) -> dict[str, str]:
    """The lines of the report's summary."""
    parts = {"sampler": spec.sampler, "pruner": spec.pruner}
    named = {
        name: str(node["_target_"]).rsplit(".", 1)[-1] for name, node in parts.items() if node is not None
    }
    earlier = " · ".join(each.sentence for each in spec.earlier)
    remembered = {"earlier sweeps": earlier} if earlier else {}
    return {"study": spec.location.study, **named, **remembered, "command": command}
