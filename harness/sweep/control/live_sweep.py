"""A sweep that other commands may be running: what is known of it, and how it is stopped or given a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from harness.core.errors import UnknownName, UserError
from harness.runs.outputs import Outputs
from harness.runs.sweep_folders import STUDY
from harness.sweep.space.from_study import space_from
from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point
from harness.sweep.study.optuna_internals import storage_of, trial_id
from harness.sweep.study.prepare_study import DISTRIBUTIONS, SPACE
from harness.sweep.study.read_snapshot import snapshot
from harness.sweep.study.snapshot import Objective, Snapshot, shortened
from harness.sweep.study.study_lock import study_lock
from harness.sweep.study.study_storage import label_of, open_storage, studies
from harness.sweep.study.sweep_location import FINISHED
from harness.sweep.study.trial_claim import ADDED, BY_HAND
from harness.sweep.study.trial_queue import TrialQueue
from harness.sweep.worker.sweep_spec import SweepSpec

BUDGET = "harness:budget"
"""The attribute of a study with what `budget_of` returns."""

_STOPPED = "it was stopped by `python -m harness stop`"


def budget_of(spec: SweepSpec) -> dict[str, Any]:
    """What a sweep stores for `LiveSweep`.

    Returns:
        trials, epochs (of a trial), sampled (whether a sampler completes points), and compared (name and
        direction of the score that trials report, where that is not the objective).
    """
    epochs = spec.epochs if spec.settings.axis == "epochs" else None
    compared = None if spec.compared is None else asdict(spec.compared)
    return {
        "trials": spec.trials,
        "epochs": epochs,
        "sampled": spec.sampler is not None,
        "compared": compared,
    }


@dataclass(frozen=True)
class LiveSweep:
    """The study of a sweep, opened by a command that runs none of its trials.

    name   of the sweep
    folder  where its files are, if they are on this machine
    """

    name: str
    folder: Path
    study: optuna.Study
    queue: TrialQueue

    @classmethod
    def open(cls, word: str, outputs: Path, url: str | None = None) -> LiveSweep:
        """Opens a sweep.

        Args:
            word: its folder, the folder's name below `outputs/sweeps`, or `sweep.name`; in a database also
                the name of the study.
            url: `sweep.storage` of the sweep; None: its journal is in its folder.

        Raises:
            UserError: there is no such sweep, or its database cannot be reached.
        """
        places = Outputs(outputs)
        if url is None:
            folder = places.find_sweep(word)
            if not (folder / STUDY).is_file():
                raise UserError(
                    f"{folder} holds no {STUDY}: the study of this sweep is in a database",
                    "name the database with --storage URL",
                    value=word,
                )
        else:
            from harness.sweep.study.storage_address import read_address

            url = read_address(url).text
            folder = places.sweep_folder(word) or places.sweeps / word
        storage = open_storage(url, folder)
        if folder.name not in studies(storage):
            known = studies(storage)
            raise UnknownName(f"{label_of(url)} holds no sweep {folder.name!r}", folder.name, known)
        study = optuna.load_study(study_name=folder.name, storage=storage)
        return cls(folder.name, folder, study, TrialQueue(study, study_lock(url, folder, folder.name)))

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left to do."""
        return bool(self.study.user_attrs.get(FINISHED))

    @property
    def workers(self) -> int:
        """How many workers work on it now."""
        beats = self.queue.workers().values()
        return sum(beat["state"] == "working" and not beat["dead"] for beat in beats)

    def snapshot(self) -> Snapshot:
        """The state of its trials."""
        budget: Mapping[str, Any] = self.study.user_attrs.get(BUDGET) or {}
        compared = budget.get("compared")
        score = None if compared is None else Objective(**compared)
        return snapshot(self.study, budget.get("trials"), budget.get("epochs"), score)

    def stop(self) -> None:
        """Asks all commands that run the sweep to stop, as Ctrl-C does: their trials keep a checkpoint.

        Raises:
            UserError: no command runs it.
        """
        self._require_unfinished("stop")
        if not self.workers:
            raise UserError(f"no command is running {self.name}", "there is nothing to stop", value=self.name)
        self.queue.stop(BY_HAND)

    def stop_trial(self, number: int) -> str:
        """Ends a trial as pruned; returns the state in which it was.

        Its worker notices when it next reports, and takes another trial.

        Raises:
            UserError: there is no such trial, or it has ended.
        """
        self._require_unfinished("stop")
        storage = storage_of(self.study)
        with self.queue.exclusive():
            trials = {trial.number: trial for trial in self.study.get_trials(deepcopy=False)}
            if number not in trials:
                known = [str(key) for key in trials]
                raise UnknownName(f"{self.name} has no trial {number}", str(number), known)
            state = trials[number].state
            if state not in (TrialState.RUNNING, TrialState.WAITING):
                raise UserError(
                    f"trial {number} of {self.name} has ended ({state.name.lower()})",
                    f"name one that waits, or runs: `python -m harness watch {self.name} --once` lists them",
                    value=number,
                )
            storage.set_trial_user_attr(trial_id(trials[number]), "pruned", _STOPPED)
            if state is TrialState.RUNNING:
                self.study.tell(number, state=TrialState.PRUNED)
            else:
                storage.set_trial_state_values(trial_id(trials[number]), TrialState.PRUNED)
        return state.name.lower()

    def add(self, point: Mapping[str, Any]) -> tuple[int, Point]:
        """Queues a point beside those of the budget; returns the number of its trial and the point.

        Args:
            point: values by key; a key may be as short as it is clear. What it lacks is left to the sampler.

        Raises:
            UserError: a key is not swept, a value is not in the space, the sweep has ended, or its study does
                not have its space.
        """
        self._require_unfinished("add to")
        space = self._space()
        names = {short: key for key, short in shortened(space.by_key).items()}
        full = {names.get(key, key): value for key, value in point.items()}
        complete = space.complete(full, "the point")
        sampled = self.study.user_attrs.get(BUDGET, {}).get("sampled", True)
        missing = [d.key for d in space.ordered if d.key not in complete and d.active(complete)]
        if missing and not sampled:
            raise UserError(
                f"a grid has no sampler, and the point lacks {missing[0]}",
                f"add {missing[0]}=VALUE",
                key=missing[0],
            )
        with self.queue.exclusive():
            before = len(self.study.get_trials(deepcopy=False))
            self.study.enqueue_trial(complete)
            self.study.set_user_attr(ADDED, self.study.user_attrs.get(ADDED, 0) + 1)
        return before, complete

    def _space(self) -> Space:
        known = self.study.user_attrs
        if SPACE not in known or DISTRIBUTIONS not in known:
            raise UserError(
                f"{self.name} was begun by an earlier version of harness, which did not store its space",
                "continue it with its own command and sweep.enqueue=[…]",
            )
        return space_from(known[SPACE], known[DISTRIBUTIONS])

    def _require_unfinished(self, what: str) -> None:
        if self.finished:
            raise UserError(
                f"{self.name} has ended, and there is nothing to {what}",
                "name a sweep that runs",
                value=self.name,
            )
