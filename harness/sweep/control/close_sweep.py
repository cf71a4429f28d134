"""Closing: what is done once, when a sweep is over: the best is tested, and everything is written down."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import optuna
from filelock import FileLock

from harness.core.errors import Interrupted
from harness.runs.sweep_folders import finished, over
from harness.runtime.distributed import share
from harness.sweep.control.watch_sweep import SweepWatcher
from harness.sweep.report.sweep_result import Status, SweepResult, again, sum_up, write_best, write_trials
from harness.sweep.report.write_report import REPORT, SweepMaterial, write_report
from harness.sweep.study.snapshot import Row, Snapshot
from harness.sweep.study.sweep_location import FINISHED
from harness.sweep.worker.sweep_spec import SweepSpec
from harness.sweep.worker.trial_run import TrialAssignment, test

SECONDS = "harness:seconds"


def close(spec: SweepSpec, study: optuna.Study, watch: SweepWatcher, stopped: int | None) -> SweepResult:
    """Tests the best trial, writes the sweep's files, and ends its run in MLflow.

    Of several commands that conduct the sweep, one does so; the others tell what it wrote.
    """
    with FileLock(spec.root / "closing.lock"):
        now = watch.look()
        error = watch.error or watch.ledger.stopped()
        if error is None and stopped is None:
            error = _missing(spec, now)
        status: Status = "interrupted" if stopped is not None else "failed" if error else "finished"
        if status != "interrupted" and not finished(spec.root):
            _test_best(spec, now, watch)
        share(None)
        return _write(spec, study, watch, now, status, error)


def _write(
    spec: SweepSpec,
    study: optuna.Study,
    watch: SweepWatcher,
    now: Snapshot,
    status: Status,
    error: str | None,
) -> SweepResult:
    seconds = study.user_attrs.get(SECONDS, 0.0) + watch.seconds
    study.set_user_attr(SECONDS, seconds)

    def words(row: Row) -> str:
        return again(spec.space.fixed, spec.space.words(dict(row.point)), spec.options)

    result = sum_up(spec.root, now, status, seconds, watch.command, error)
    write_trials(spec.root, now)
    write_best(spec.root, now, words)
    write_report(
        spec.root,
        spec.place.study,
        SweepMaterial(now, _about(spec, watch), spec.space.distributions(), words),
    )
    link = watch.parent.link()
    if link is not None:
        place = {name: asdict(link)[name] for name in ("tracking_uri", "experiment", "run_id")}
        result = replace(result, mlflow=place)
    result.write(spec.root)
    link = watch.parent.close(now, result) or link
    if over(status, result.trials):
        study.set_user_attr(FINISHED, True)
    _tidy(spec.root)
    if link is not None and link.trouble:
        watch.board.note(link.trouble)
    best = now.best
    pointers = {
        "report": str(spec.root / REPORT),
        "mlflow": None
        if link is None or link.run_id is None
        else f"run {link.run_id} of experiment {link.experiment}, {link.tracking_uri}",
        "again": words(best[0]) if best else None,
        "go on": watch.command if status == "interrupted" else None,
    }
    watch.board.closing(result, now, spec.root, pointers)
    return result


def _about(spec: SweepSpec, watch: SweepWatcher) -> dict[str, str]:
    """The lines of the report's summary."""
    parts = {"sampler": spec.sampler, "pruner": spec.pruner}
    named = {
        name: str(node["_target_"]).rsplit(".", 1)[-1] for name, node in parts.items() if node is not None
    }
    return {"study": spec.place.study, **named, "command": watch.command}


def _missing(spec: SweepSpec, now: Snapshot) -> str | None:
    """What the sweep lacks of what was asked: one complete trial, of a grid all."""
    failed = [row for row in now.rows if row.state == "failed"]
    first = f"; the first of them, trial {failed[0].number}, says: {failed[0].error}" if failed else "."
    if now.count("complete") == 0:
        return f"no trial is complete: {len(failed)} of {len(now.rows)} failed{first}"
    if spec.sampler is None and spec.pruner is None and failed:
        return f"{len(failed)} of {len(now.rows)} runs failed{first}"
    return None


def _test_best(spec: SweepSpec, now: Snapshot, watch: SweepWatcher) -> None:
    """The test rows of the best alone, so that none of them had a part in any choice."""
    if spec.settings.test != "best":
        return
    for row in now.best:
        words = spec.composer.whole([*spec.space.fixed, *spec.space.words(dict(row.point))])
        order = TrialAssignment(row.number, tuple(words), row.folder or str(row.number), test=True)
        share(order)
        try:
            test(spec, order)
        except Interrupted:
            raise
        except Exception as error:
            watch.trouble(f"the best trial, {row.number}, could not be tested: {error}")


def _tidy(folder: Path) -> None:
    """Takes away what launchers made for workers that had nothing to say."""
    workers = folder / "workers"
    for path in (*workers.glob("*"), workers):
        with suppress(OSError):
            path.rmdir()
