"""Runs whose trainings advance together: each run is suspended within its training while the others train."""

from __future__ import annotations

import contextvars
import logging
import signal
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, final

from greenlet import getcurrent, greenlet

from harness.core.errors import Interrupted, Pruned
from harness.runtime.isolation import put_run_settings, run_settings
from harness.runtime.stop_signals import Stop
from harness.trainer.fused.fused_member import Member
from harness.trainer.fused.group_memory import another_fits
from harness.trainer.fused.group_training import GroupTraining, Reached
from harness.trainer.fused.training_kind import training_kind


@final
class _Run:
    """A function that was started, and what the process must restore before it goes on.

    inner    whether another function called it, and gets its result and its error
    members  that it trains now; [] if it does not wait in `fit`
    result   that it returned
    error    that it raised
    """

    def __init__(self, call: Callable[[], Any], parent: greenlet, inner: bool = False) -> None:
        self._call = call
        self.inner = inner
        self.result: Any = None
        self.members: list[Member] = []
        self.due: Callable[[], bool] = lambda: False
        self.settings: list[Any] | None = None
        self.after_step = False
        self.error: BaseException | None = None
        self.greenlet = greenlet(self._called, parent)
        self.greenlet.gr_context = contextvars.copy_context()

    def _called(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:
            self.error = error


@final
class JointRuns:
    """Calls functions that train by `fit`; the trainings of one kind that wait there are trained as one.

    One function runs at a time, until it returns or waits for an epoch. Settings of the process that a run
    changes are its own; it has random numbers of its own only while it trains.

    Args:
        stop: of the process; the functions use it too.
        settle: called after an epoch of all trainings, and to be called before a checkpoint is written: what
            the functions leave to be sent together at the end of an epoch is sent now.
    """

    def __init__(self, stop: Stop, settle: Callable[[], None] = lambda: None) -> None:
        self.stop = stop
        self.settle = settle
        self.errors: list[BaseException] = []
        self._hub = getcurrent()
        self._runs: list[_Run] = []
        self._current: _Run | None = None
        self._groups: dict[Hashable, GroupTraining] = {}
        self._requests: list[tuple[_Run, BaseException | None]] = []

    @property
    def count(self) -> int:
        """How many functions have not returned, without those that another one called."""
        return sum(not run.inner for run in self._runs)

    @property
    def training(self) -> int:
        """How many functions train now."""
        return sum(bool(run.members) for run in self._runs)

    @property
    def has_room(self) -> bool:
        """Whether the memory has room for the training of another function."""
        groups = [group for group in self._groups.values() if group.members]
        if any(len(group.members) >= group.most for group in groups):
            return False  # a step of all of them did not fit
        return not groups or another_fits([group.members for group in groups])

    @property
    def within_epoch(self) -> bool:
        """Whether the function that runs now trains with others, so that `settle` is called before it goes on
        after the epoch."""
        return self._current is not None and bool(self._current.members)

    def start(self, call: Callable[[], object]) -> None:
        """Calls a function, and returns when it waits for its first epoch, or has returned.

        What it raises is added to `errors`.
        """
        run = _Run(call, self._hub)
        self._runs.append(run)
        self._go_on(run)
        self._fulfil()

    def all_of(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """Calls functions whose trainings advance together, within a function that was started.

        Returns their results once all have returned. If one raises, the others are ended: pruned if it was,
        else interrupted.

        Raises:
            BaseException: what the first of them raised.
        """
        runs = [_Run(call, self._hub, inner=True) for call in calls]
        self._requests += [(run, None) for run in runs]
        first: BaseException | None = None
        while not all(run.greenlet.dead for run in runs):
            self._hub.switch()
            failed = next((run.error for run in runs if run.error is not None), None)
            if failed is not None and first is None:
                first = failed
                ended = failed if isinstance(failed, Pruned | Interrupted) else Interrupted(signal.SIGTERM)
                self._requests += [(run, ended) for run in runs]
        if first is not None:
            raise first
        return [run.result for run in runs]

    def fit(
        self, members: Sequence[Member], stop: Callable[[], bool], due: Callable[[], bool]
    ) -> Iterator[Reached]:
        """As `fit_members`, within a function that was started; the members may be of several kinds."""
        del stop  # all runs have that of the process
        run = self._current
        assert run is not None
        for member in members:
            member.begin()
            self._group_of(member).add(member)
        run.members, run.due = list(members), due
        try:
            while (reached := self._hub.switch()) is not None:
                yield reached
        finally:
            run.members = []
            for member in members:
                self._group_of(member).remove(member)

    def advance(self) -> None:
        """Trains an epoch of all trainings; then the functions whose trainings are over go on."""
        for kind, group in list(self._groups.items()):
            with self.stop.after_step():
                self._train(group)
            if not group.members:
                del self._groups[kind]
        self.settle()
        for run in list(self._runs):
            if not any(member in group.members for group in self._groups.values() for member in run.members):
                self._go_on(run)
        self._fulfil()

    def _fulfil(self) -> None:
        """Starts and ends the functions that others have called."""
        while self._requests:
            run, error = self._requests.pop(0)
            if error is None:
                self._runs.append(run)
            if not run.greenlet.dead:
                self._go_on(run, error=error)

    def finish(self) -> None:
        """Lets all functions end. After a signal, a training takes one more step and writes a checkpoint."""
        try:
            while self._runs:
                self.advance()
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Interrupts all functions, without another step."""
        self._requests.clear()
        while self._runs:  # the last first: a function that called others ends after them
            self._go_on(self._runs[-1], error=Interrupted(self.stop.signum or signal.SIGTERM))

    def _train(self, group: GroupTraining) -> None:
        try:
            for reached in group.epoch(self.stop, self._due):
                self._go_on(self._run_of(reached.member), reached)
        except Interrupted:
            raise
        except Exception as error:  # such as too little memory: it may have been that of any of them
            for run in [run for run in self._runs if any(member in group.members for member in run.members)]:
                self._go_on(run, error=error)

    def _due(self) -> bool:
        return any(run.due() for run in self._runs)

    def _run_of(self, member: Member) -> _Run:
        return next(run for run in self._runs if member in run.members)

    def _group_of(self, member: Member) -> GroupTraining:
        if member.kind is None:
            member.kind = training_kind(member.trainer, member.loaders)
        return self._groups.setdefault(member.kind, GroupTraining())

    def _go_on(self, run: _Run, reached: Reached | None = None, error: BaseException | None = None) -> None:
        """Continues a function until it waits, or returns."""
        before, after_step = run_settings(), self.stop.waits_for_step
        self._current = run
        if run.settings is not None:
            put_run_settings(run.settings)
        self.stop.waits_for_step = run.after_step
        try:
            if error is not None:
                run.greenlet.throw(error)
            else:
                run.greenlet.switch(reached) if run.greenlet else run.greenlet.switch()
        finally:
            run.settings, run.after_step = run_settings(), self.stop.waits_for_step
            self.stop.waits_for_step = after_step
            put_run_settings(before)
            logging.captureWarnings(True)  # a run that has ended ends it
            self._current = None
        if run.greenlet.dead:
            self._runs.remove(run)
            if run.error is not None and not run.inner:
                self.errors.append(run.error)
