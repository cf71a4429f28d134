"""Closes a sweep: tests the recommended trial and writes result, table, report and MLflow's parent run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock

from harness.core.error_text import error_text
from harness.core.errors import Interrupted
from harness.core.steady_score import is_steady, steady_sentence
from harness.runs.look_ledger import LookLedger
from harness.runs.look_optimism import look_sentence
from harness.runs.outputs import BEST, RECOMMENDED
from harness.runs.run_result import Result
from harness.runs.stored_run import StoredRun
from harness.runs.sweep_folders import finished, over
from harness.runtime.process_group import broadcast
from harness.sweep.control.live_report import about, trial_command
from harness.sweep.control.watch_sweep import SweepWatcher
from harness.sweep.report.cost_section import cost_sentence
from harness.sweep.report.explanation import Statement, explain
from harness.sweep.report.selection import Selection
from harness.sweep.report.sweep_result import RESULT, Status, SweepResult, sum_up, write_best, write_trials
from harness.sweep.report.write_sweep_page import REPORT, SweepMaterial, write_report
from harness.sweep.study.snapshot import Row, Snapshot
from harness.sweep.study.sweep_cost import SweepCost
from harness.sweep.study.sweep_location import FINISHED
from harness.sweep.worker.kept_models import extendable_rows, remove_worse
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.trial_assignment import TrialAssignment

_MOST_STATEMENTS = 5  # on the screen; the report has all


@dataclass(frozen=True)
class _Choice:
    """Which trials the sweep comes to, by validation rows alone.

    scored       the trial whose scores are those of the sweep; of several objectives the Pareto front
    recommended  the trial to use; None: the best
    selection    what the best score is worth; None: that is not known
    reason       why it is not known; None where it was not asked for
    """

    scored: Sequence[Row]
    recommended: Row | None = None
    selection: Selection | None = None
    reason: str | None = None


def close_sweep(
    spec: SweepSpec, study: optuna.Study, watcher: SweepWatcher, signum: int | None
) -> SweepResult:
    """Tests the recommended trial, writes the sweep's files, and ends its run in MLflow.

    Of several commands that work on the sweep one writes after the other; the last one finds all results.

    Args:
        signum: the signal that stopped this command; None: it finished.
    """
    with FileLock(spec.folder / "closing.lock"):
        now = watcher.snapshot()
        error = watcher.error or watcher.patience.wait(watcher.queue.stop_reason)
        if error is None and signum is None:
            error = _incomplete(spec, now)
        status: Status = "interrupted" if signum is not None else "failed" if error else "finished"
        choice = _Choice(now.best) if status == "interrupted" else _choose(spec, now)
        if status != "interrupted" and not finished(spec.folder):
            _test(spec, choice, watcher)
        if over(status, {str(state): count for state, count in now.counts.items()}):
            watcher.patience.wait(watcher.queue.retire_frozen)
            now = watcher.snapshot()
            if not spec.keeps_checkpoints:
                kept = {row.number for row in extendable_rows(now, spec.settings.extendable)}
                for row in now.rows:
                    if row.number not in kept:
                        spec.runner.forget(spec.folder / row.folder)
        remove_worse(now, spec.settings.keep, spec.folder, spec.default)
        broadcast(None)  # the other processes of torchrun stop waiting for a trial
        return _write(spec, study, watcher, now, choice, status, error)


def _write(
    spec: SweepSpec,
    study: optuna.Study,
    watcher: SweepWatcher,
    now: Snapshot,
    choice: _Choice,
    status: Status,
    error: str | None,
) -> SweepResult:
    wait = watcher.patience.wait
    watcher.note_time()
    cost = watcher.cost(now)

    def command(row: Row) -> str:
        return trial_command(spec, row)

    use, scored = choice.recommended, next(iter(choice.scored), None)
    result = sum_up(spec.folder, now, status, cost.seconds, watcher.command, error, use, scored)
    gain = watcher.remaining_gain(now)
    result = replace(result, cost=cost.as_dict(), remaining=None if gain is None else gain.as_dict())
    selection = choice.selection
    if selection is not None:
        result = replace(result, selection=selection.as_dict())
    elif choice.reason is not None:
        watcher.display.note(f"what the best score is worth is not known: {choice.reason}")
    why = _explained(spec, now)
    earlier = [each.summary for each in spec.earlier]
    result = replace(result, why=[statement.as_dict() for statement in why], earlier=earlier)
    write_trials(spec.folder, now, spec.account.tariff)
    write_best(spec.folder, now, command, result.selection)
    distributions, tariff = spec.space.distributions(), spec.account.tariff
    facts = about(spec, watcher.command) | ({} if gain is None else {"sweep.until=noise": gain.sentence})
    material = SweepMaterial(now, facts, distributions, command, selection, why, cost, tariff)
    write_report(spec.folder, spec.location.study, material)
    link = watcher.parent_run.link()
    if link is not None:
        fields = {name: asdict(link)[name] for name in ("tracking_uri", "experiment", "run_id")}
        result = replace(result, mlflow=fields)
    result.write(spec.folder)
    link = watcher.parent_run.close(now, result) or link
    if over(status, result.trials):
        wait(lambda: study.set_user_attr(FINISHED, True))
    _remove_empty_folders(spec.folder)
    if link is not None and link.trouble:
        watcher.display.note(link.trouble)
    pointers = {
        "report": str(spec.folder / REPORT),
        "mlflow": None
        if link is None or link.run_id is None
        else f"run {link.run_id} of experiment {link.experiment}, {link.tracking_uri}",
        "again": command(scored) if scored else None,
        "go on": watcher.command if status == "interrupted" else None,
    }
    watcher.display.closing(result, now, spec.folder, pointers, _remarks(spec, now, cost, choice, why))
    return result


def _remarks(
    spec: SweepSpec, now: Snapshot, cost: SweepCost, choice: _Choice, why: Sequence[Statement]
) -> list[str]:
    """The sentences below the best trial: costs, what its score is worth, looks at test rows, failures."""
    steady = [objective.name for objective in now.objectives if is_steady(objective.name)]
    lines = [cost_sentence(cost), *(map(steady_sentence, steady) if now.best else ())]
    selection = choice.selection
    if selection is not None:
        lines += [selection.sentence, selection.equivalents_sentence]
        if selection.recommendation:
            scores = "" if choice.scored == now.best else "; the scores above are its"
            lines.append(f"{selection.recommendation} ({spec.folder.name}/{RECOMMENDED}{scores})")
    lines += [_looks(spec, now, choice)] if choice.scored else []
    lines += [statement.text for statement in (why if spec.settings.ablate else why[:_MOST_STATEMENTS])]
    return [line for line in lines if line]


def _looks(spec: SweepSpec, now: Snapshot, choice: _Choice) -> str:
    """On the test rows of the scored trial, or of all; "" where there was no look and they are not sealed."""
    tested = now.rows if spec.settings.test == "all" else choice.scored[:1]
    found = [facts for row in tested for facts in _test_rows(spec.folder / (row.folder or str(row.number)))]
    if not found:
        return ""
    run, last = max(found, key=lambda entry: entry[1]["look"] or 0)
    opened = None
    if last["sealed"] is not None:
        ledger = LookLedger(Path(StoredRun(run).plain_config["outputs"]))
        opened = ledger.opened_for_another(last, f"{spec.folder.name}/{choice.scored[0].number}")
    name = BEST if choice.scored == now.best else RECOMMENDED
    return look_sentence(last, f"{spec.folder.name}/{name}", opened)


def _test_rows(folder: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The run of a trial, or those of its repeats, and what its result says on looks at its test rows."""
    for path in (folder / RESULT, *sorted(folder.glob(f"seed-*/{RESULT}"))):
        with suppress(FileNotFoundError):
            facts = Result.read(path).test_rows
            if facts is not None:
                yield path.parent, facts


def _explained(spec: SweepSpec, now: Snapshot) -> list[Statement]:
    if not spec.settings.ablate:
        return explain(now, spec.space.distributions())
    from harness.sweep.report.key_gains import key_gains  # it imports torch

    return key_gains(spec.folder, now)


def _choose(spec: SweepSpec, now: Snapshot) -> _Choice:
    if spec.settings.predictions <= 0 or spec.settings.ablate:
        return _Choice(now.best)
    from harness.sweep.report.price_selection import price_selection  # it imports torch

    selection, reason = price_selection(spec.folder, now, spec.default)
    if selection is None:
        return _Choice(now.best, reason=reason)
    use = next(row for row in now.rows if row.number == selection.recommended)
    return _Choice(now.best if spec.settings.test == "best" else [use], use, selection)


def _incomplete(spec: SweepSpec, now: Snapshot) -> str | None:
    """The error of a sweep without a complete trial, or of a grid in which a trial failed."""
    failed = [row for row in now.rows if row.state == "failed"]
    first = f"; the first of them, trial {failed[0].number}, says: {failed[0].error}" if failed else "."
    if now.count("complete") == 0:
        return f"no trial is complete: {len(failed)} of {len(now.rows)} failed{first}"
    if spec.sampler is None and spec.pruner is None and failed:
        return f"{len(failed)} of {len(now.rows)} runs failed{first}"
    return None


def _test(spec: SweepSpec, choice: _Choice, watcher: SweepWatcher) -> None:
    """Scores the test rows of one trial only, so that no choice depends on test rows."""
    if spec.settings.test not in ("recommended", "best"):
        return
    for row in choice.scored:
        overrides = spec.runner.whole([*spec.space.fixed, *spec.space.words(dict(row.point))])
        assignment = TrialAssignment(row.number, tuple(overrides), row.folder or str(row.number), test=True)
        broadcast(assignment)
        try:
            spec.runner.test(spec, assignment)
        except Interrupted:
            raise
        except Exception as error:
            watcher.fail(f"trial {row.number} could not be tested: {error_text(error)}")


def _remove_empty_folders(folder: Path) -> None:
    """Removes the folders that launchers made for workers that left no file."""
    workers = folder / "workers"
    for path in (*workers.glob("*"), workers):
        with suppress(OSError):
            path.rmdir()
