"""Which of MLflow's pages show a run, a sweep or an experiment, and in which store they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.scores import Direction
from harness.runs.journal import JOURNAL
from harness.runs.outputs import Outputs
from harness.runs.stored_run import StoredRun
from harness.runs.tracking_state import State
from harness.tracking import mlflow_urls
from harness.tracking.fetch_run import fetcher
from harness.tracking.store_address import absolute


@dataclass(frozen=True)
class Shown:
    """The experiments or runs to show.

    uri          of the store, its password masked
    experiments  ids -> names
    runs         MLflow's ids; empty: the experiments as wholes
    scores       that describe these runs best; the optimised score first
    direction    of the optimised score; None where no run has one
    """

    uri: str
    experiments: dict[str, str]
    runs: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    direction: Direction | None = None

    def links(self, base: str) -> Iterator[tuple[str, str]]:
        """Name and address of each page; the page to open comes first."""
        if len(self.runs) == 1:
            (experiment,) = self.experiments
            yield "run", mlflow_urls.run_page(base, experiment, self.runs[0])
        elif self.runs:
            yield "compared", mlflow_urls.compare_page(base, self.runs, self.experiments)
        for id, name in self.experiments.items():
            yield f"{name}, charts", mlflow_urls.experiment_page(base, id, charts=True)


def shown(word: str | None, outputs: Path) -> Shown | None:
    """What a name on the command line refers to; None if there is no name and no tracked run below the
    folder.

    Without a name: all experiments in the store of the newest run.

    Raises:
        UserError: there is no such run, sweep or experiment, or MLflow does not have it.
    """
    tracked = _tracked(outputs)
    if word is None:
        default = absolute(None, outputs)
        here = [run for run in tracked if run[1].uri == default] or tracked
        return None if not here else _experiments(here, here[-1][1].uri)
    named = [run for run in tracked if word in (run[1].title, run[1].experiment)]
    if named:
        return _experiments(named, named[-1][1].uri)
    sweep = Outputs(outputs).sweep_folder(word)
    if sweep is not None:
        inside = [run for run in tracked if run[0].folder.is_relative_to(sweep)]
        return _runs(inside, word)
    try:
        logged = Outputs(outputs).find(word, fetcher())
    except UserError as error:
        names = sorted({state.title for _, state in tracked})
        known = f" Experiments: {listed(names, most=20)}." if names else ""
        raise UserError(f"{error}{known}") from None
    if not (Outputs(outputs).made(logged.folder) or logged.foreign):
        # The address in a run that was fetched is the one that it was fetched from.
        raise UserError(
            f"{logged.folder} was not made below {outputs}, and the address in it is not opened",
            "name a run of yours, or one by its MLflow id",
            key=word,
        )
    return _runs([] if logged.state is None else [(logged, logged.state)], word)


def _tracked(outputs: Path) -> list[tuple[StoredRun, State]]:
    """The runs that are in MLflow, oldest first."""
    tracked = [(run, run.state) for run in Outputs(outputs).stored_runs()]
    known = [
        (run, state) for run, state in tracked if state is not None and state.runs and state.experiment_id
    ]
    return sorted(known, key=lambda entry: (entry[0].folder / JOURNAL).stat().st_mtime_ns)


def _experiments(tracked: list[tuple[StoredRun, State]], uri: str) -> Shown:
    here = [(run, state) for run, state in tracked if state.uri == uri]
    return Shown(uri, _ids(here), (), _scores(here), _direction(here))


def _runs(tracked: list[tuple[StoredRun, State]], word: str) -> Shown:
    ids = [run.mlflow_id for run, _ in tracked]
    if not tracked or None in ids:
        raise UserError(
            f"MLflow does not have {word} (yet)",
            "send it with `python -m harness sync`, or look at its folder",
        )
    known = tuple(id for id in ids if id is not None)
    return Shown(tracked[0][1].uri, _ids(tracked), known, _scores(tracked), _direction(tracked))


def _ids(tracked: list[tuple[StoredRun, State]]) -> dict[str, str]:
    return {str(state.experiment_id): state.title for _, state in tracked}


def _scores(tracked: list[tuple[StoredRun, State]]) -> tuple[str, ...]:
    """The optimised score and the same score on test rows."""
    names: dict[str, None] = {}
    for run, _ in tracked:
        result = run.result
        if result is not None and result.objective is not None:
            name = str(result.objective["name"])
            names |= dict.fromkeys([name, f"test/{name.partition('/')[2]}"])
    return tuple(names)


def _direction(tracked: list[tuple[StoredRun, State]]) -> Direction | None:
    """The direction of the optimised score of the first run that has one."""
    objectives = (run.result.objective for run, _ in tracked if run.result is not None)
    return next((objective["direction"] for objective in objectives if objective is not None), None)
