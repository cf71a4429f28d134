"""Sends to the study what trials reach at the end of their epochs."""

from __future__ import annotations

from functools import partial
from typing import final

from harness.sweep.study.database_retry import Patience
from harness.sweep.study.trial_claim import Claim, LostOwnership
from harness.sweep.study.trial_queue import TrialQueue


@final
class EpochReports:
    """The values that trials of this process have reached, and that the study does not have yet.

    While the database is away they stay here, and the trainings go on. Those of trials that are trained as
    one may wait for each other, since one append to the journal takes as long for many as for one.
    """

    def __init__(self, queue: TrialQueue, patience: Patience) -> None:
        self._queue, self._patience = queue, patience
        self._unsent: list[tuple[Claim, int, float]] = []
        self._lost: set[int] = set()

    def report(self, claim: Claim, step: int, value: float, waits: bool) -> bool:
        """Takes a value, and returns whether the pruner would end the trial here.

        Args:
            waits: whether the value is sent by the next call of `settle`; for studies without a pruner.

        Raises:
            LostOwnership: the trial is another worker's.
        """
        if claim.trial_id in self._lost:
            raise LostOwnership(claim.number)
        self._unsent.append((claim, step, value))
        return False if waits else self._patience.attempt(partial(self.send_own, claim), False)

    def settle(self) -> None:
        """Sends all values, unless the database is away.

        A trial that is another worker's by now is refused when it reports again.
        """
        if self._unsent:
            self._patience.attempt(self._send_all, None)

    def send_own(self, claim: Claim) -> bool:
        """Sends the values of one trial; returns whether the pruner would end it at the last of them.

        Raises:
            LostOwnership: the trial is another worker's.
        """
        stops = False
        for report in [report for report in self._unsent if report[0] is claim]:
            stops = self._queue.report(*report)
            self._unsent.remove(report)
        return stops

    def forget(self, claim: Claim) -> None:
        """Must be called when this process has ended its work on a trial."""
        self._unsent = [report for report in self._unsent if report[0] is not claim]
        self._lost.discard(claim.trial_id)

    def _send_all(self) -> None:
        self._lost |= {claim.trial_id for claim in self._queue.report_all(self._unsent)}
        self._unsent.clear()
