"""The record of a run: what it writes into its folder, into MLflow and on the screen."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.checkpoint.checkpoint_manager import FOLDER as CHECKPOINTS
from harness.checkpoint.checkpoint_manager import CheckpointManager, Pace, Settings
from harness.checkpoint.finished_folds import Done
from harness.config.metric_settings import directions
from harness.config.yaml_text import yaml_text
from harness.console.quiet_screen import QuietScreen
from harness.console.screen import Screen
from harness.core.error_text import described, stack
from harness.core.errors import Frozen, Interrupted, Pruned, UserError
from harness.core.fold import Fold, count_folds
from harness.core.protocol import Evaluator
from harness.core.scores import direction
from harness.prepare.column_table import TITLES, column_table
from harness.prepare.experiment import Experiment
from harness.prepare.parts import plain
from harness.prepare.plan import Plan
from harness.prepare.sealed_test import seal_rows
from harness.record import plots
from harness.record.aggregate import ensemble_scores, over_folds, pooled, table_of_folds
from harness.record.common_files import write_packages, write_rows
from harness.record.compatibility import digest, earlier_digests
from harness.record.fold_record import FoldRecord, key_of
from harness.record.importance_files import write_importance
from harness.record.json_files import write_json
from harness.record.note_look import note_look
from harness.record.predictions_file import write_predictions
from harness.record.run_metadata import RunMetadata
from harness.record.run_start import Start, going_on, new_journal, require_fresh
from harness.record.startup_lines import notes, startup_lines
from harness.record.write_report import write_report
from harness.report.better_baseline import not_better
from harness.report.predicted_rows import PredictedRows
from harness.report.row_intervals import add_row_intervals
from harness.runs.fold_rows import ROWS
from harness.runs.journal import End
from harness.runs.look_ledger import LookLedger
from harness.runs.run_history import DIVERGED, OVER
from harness.runs.run_result import Result, Summary
from harness.runs.trial import EVERYTHING, Keeps, Trial
from harness.runtime import provenance
from harness.runtime.atomic_file import write_text
from harness.runtime.run_log import close_log, open_log
from harness.runtime.secret_values import Secrets
from harness.runtime.user_exit import as_error
from harness.tracking.run_link import pages_command, screen_line

RESULT = "result.json"


class Record:
    """Context of a run: `with Record(…) as record`; on exit it writes `result.json`.

    One fold is one MLflow run; several folds are a parent run with one child each. The journal records how
    the run ended: finished, failed with its error, or interrupted. A resumed run takes its folder and its
    journal from `start`.

    Raises:
        UserError: the folder cannot be written, or holds a run already; or test rows cannot be sealed.
    """

    def __init__(self, plan: Plan, start: Start, command: str, trial: Trial | None = None) -> None:
        self.plan, self.start, self.trial = plan, start, trial
        self.cfg, self.table, self.folds = plan.cfg, plan.table, plan.folds
        self.folder = start.folder
        self.command = command
        self.secrets = Secrets(self.cfg)
        self.tracking = plan.parts.tracking
        self.result = Result(status="failed", command=self.secrets.text(command))
        self.evaluator: Evaluator | None = None
        self._metadata = RunMetadata(plan, self.secrets)
        self.fold_records: list[FoldRecord] = []
        self._scores: dict[str, Summary] = {}
        self._predictions: PredictedRows | None = None
        self._importance: dict[str, Any] | None = None
        self._test_rows: dict[str, Any] | None = None
        self._checkpoints, self._frozen = Settings(**plain(self.cfg.checkpoint)), False
        self._pace = Pace(self._checkpoints, early=trial is None)
        self._digest = digest(plan.table, self.secrets.config)
        self._began = time.perf_counter() - start.seconds

    def __enter__(self) -> Record:
        seal_rows(self.cfg, self.table, self.plan.sealed)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.start.journal is None:
                require_fresh(self.folder)
            write_text(self.folder / "config.yaml", yaml_text(self.secrets.config), lasting=False)
            self.journal = self.start.journal or new_journal(self.folder)
        except OSError as error:
            raise UserError(
                f"the run's folder {self.folder} cannot be written ({error.strerror})",
                "choose another with outputs=FOLDER or hydra.run.dir=FOLDER",
            ) from error
        self.log = open_log(self.folder / "run.log", self.secrets)
        self.screen = Screen() if self.trial is None else QuietScreen(self.log)
        self._start()
        self.tracking.follow(self.folder)
        self._sampler = self.tracking.sample(self.journal, self.folder, self.start.past.samples)
        return self

    def _start(self) -> None:
        code = provenance.code() if self.trial is None else provenance.code_at_first(Path.cwd())
        self.journal.start("", **self._metadata.run(self.command, code, self.trial))
        self.journal.artifact("", "config.yaml")
        checks = [asdict(finding) for finding in self.plan.findings]
        write_json(self.folder, self.journal, "checks.json", checks, self.secrets)
        write_rows(self.folder / ROWS, self.folds, len(self.table))
        self.journal.artifact("", ROWS)
        if code.dirty:
            (self.folder / "code.diff").write_text(self.secrets.text(code.diff), encoding="utf-8")
            self.journal.artifact("", "code.diff")

    def opening(self, first: Experiment) -> None:
        """Prints the start-up lines and the warnings."""
        self.evaluator = first.evaluator
        lines = column_table(self.table, first.transform)
        if lines:
            content = {"titles": list(TITLES), "columns": lines}
            write_json(self.folder, self.journal, "columns.json", content, self.secrets)
        if self.trial is None:
            facts = startup_lines(self.plan, first, self.folder)
            self.screen.opening(self.secrets.texts(facts), first.trainer.monitor)
        for note in [*self.start.notes, *notes(self.plan, first)]:
            self.screen.note(self.secrets.text(note))

    @property
    def mean_scores(self) -> dict[str, float]:
        """The scores of the finished folds, each its mean."""
        return {name: summary["mean"] for name, summary in self._over_folds().items()}

    def fold_record(self, fold: Fold) -> FoldRecord:
        """Returns the record of one fold."""
        fold_record = FoldRecord(
            journal=self.journal,
            screen=self.screen,
            root=self.folder,
            fold=fold,
            folds=len(self.folds),
            others=[
                other
                for other in self.fold_records
                if fold.network is not None and other.fold.place == fold.place
            ],
            metadata=self._metadata.fold(fold) if len(self.folds) > 1 else {},
            config=self.secrets.config,
            checkpoints=self._checkpoint_manager(fold),
            past=self.start.past,
            clock=lambda: self.seconds,
            deferred=self.deferred,
            sealed=self.plan.sealed is not None,
            keeps=self._keeps,
            follows=frozenset() if self.trial is None else self.trial.follows or frozenset(),
            validation_size=0 if self.trial is None else int(self.trial.outputs * 1e6),
        )
        if (checkpoint := self.start.checkpoint_of(fold.number)) is not None:
            fold_record.resume(checkpoint.state)
        self.fold_records.append(fold_record)
        return fold_record

    @property
    def deferred(self) -> bool:
        """Whether the test rows are scored later.

        This is so where they are sealed, and where a fold was finished without its test before a stop.
        """
        if self.plan.sealed is not None:
            return True
        return (self.trial is not None and not self.trial.tests) or self.start.untested(self.folds)

    @property
    def untested(self) -> bool:
        """Whether the test rows are still to be scored when all folds are trained."""
        return self.deferred and self.plan.sealed is None and (self.trial is None or self.trial.tests)

    @property
    def _keeps(self) -> Keeps:
        return EVERYTHING if self.trial is None or len(self.folds) > 1 else self.trial.keeps

    def _checkpoint_manager(self, fold: Fold) -> CheckpointManager:
        return CheckpointManager(
            self.folder / key_of(fold, len(self.folds)) / CHECKPOINTS,
            self._checkpoints,
            self._pace,
            {"fold": fold.number, "digest": self._digest},
            self.screen.note,
            self.start.checkpoint_of(fold.number),
            earlier_digests(self.start.past, self.table),
            defers=self._keeps.checkpoints is not None,
        )

    @property
    def seconds(self) -> float:
        """How long the run has taken, summed over all its processes."""
        return time.perf_counter() - self._began

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status: End = "finished"
        message = None
        if error is not None:
            stopped, pruned = isinstance(error, Interrupted | KeyboardInterrupt), isinstance(error, Pruned)
            self._frozen = isinstance(error, Frozen)
            status = "interrupted" if stopped else "pruned" if pruned else "failed"
            message = described(as_error(error), self.secrets.text)
            # As text: another handler than ours would write the stack unmasked.
            lines = "" if stopped or pruned else stack(error, self.secrets.text)
            self.log.error("%s", f"{message}\n{lines}".rstrip())
        try:
            self._close(status, message)
        finally:
            self.screen.close()
            self.journal.close()
            close_log(self.log)

    def _close(self, status: End, error: str | None) -> None:
        if self._sampler is not None:
            self._sampler.stop()
        # The scores first, so that a chart that fails, or a second Ctrl-C while MLflow is slow, loses none.
        self._count()
        self.result = self._result(status, error, None)
        if self.trial is None or status != "finished":
            self.result.write(self.folder / RESULT)
        whole = False
        try:
            write_packages(self.folder, self.journal)
            self._sum_up(status)
            if count_folds(self.folds) == 1 and self._predictions is not None:
                with plots.optional("the intervals of the test scores", self.screen.note):
                    monitored, split = self.cfg.trainer.monitor.partition("/")[2], self.cfg.split
                    for note in add_row_intervals(self._scores, self._predictions, monitored, split):
                        self.screen.note(note)
            self._test_rows = note_look(self.plan, status, self.fold_records, self._scores, self.screen)
            note = not_better(self._scores, self.cfg.trainer.monitor, count_folds(self.folds))
            if note:
                self.screen.note(note)
            self.result = self._result(status, error, None)
            self.result.write(self.folder / RESULT)
            whole = True
            for fold_record in self.fold_records:
                fold_record.end(status, error, self._frozen)
            # A trial does not wait for MLflow: hundreds of trials follow it.
            link = self.tracking.link(self.folder, None if self.trial is None else 0.0)
            if link is not None:
                self.result = self._result(status, error, link)
                self.result.write(self.folder / RESULT)
            self.journal.artifact("", RESULT)
            silent = self.trial is not None and not self.trial.tests
            if self.cfg.report and not silent and (not self.deferred or self.plan.sealed is not None):
                ledger, made = LookLedger(Path(self.cfg.outputs)), self._predictions
                write_report(self.folder, self.table, made, ledger, self.journal, self._note)
        except BaseException as fault:
            if status == "finished" and (isinstance(fault, Exception) or not whole):
                status, error = self._incomplete(fault)
            raise
        finally:
            if self.trial is not None and (costs := self.trial.costs()):
                self.journal.system("", 0, costs)
            self.journal.end("", status, error)
        if status == "finished" and not self.deferred:
            Done(self.folder).clear()
        if self.trial is not None:
            return
        link = self.tracking.settle(self.folder) or link
        if link is not None and link.trouble:
            self.screen.note(link.trouble)
        # Resuming a run that diverged, or failed a debug check, would only repeat that.
        stopped = status in ("interrupted", "failed") and not (error or "").startswith((DIVERGED, "Unproved"))
        go_on = going_on(self.result.command, self.folder) if stopped and self.command else None
        pages = pages_command(link, self.secrets.text(self.cfg.outputs))
        self.screen.closing(self.result, self.folder, screen_line(link), pages, go_on)

    def _incomplete(self, fault: BaseException) -> tuple[End, str]:
        """The status and error of a trained run that could not write all its files; a resumed run does."""
        status: End = "failed" if isinstance(fault, Exception) else "interrupted"
        error = described(as_error(fault), self.secrets.text)
        self.result = self._result(status, error, None)
        with suppress(OSError):
            self.result.write(self.folder / RESULT)
        return status, error

    def _note(self, text: str) -> None:
        self.screen.note(self.secrets.text(text))

    def _sum_up(self, status: End) -> None:
        """Writes the parent run's scores over all folds, and all out-of-fold predictions in one file.

        The scores are logged only when no fold can follow: MLflow would hold two values of a resumed run.
        """
        if len(self.folds) > 1 and self.fold_records:
            values = {name: summary["mean"] for name, summary in self._scores.items()}
            values |= {f"{name}_pooled": s["pooled"] for name, s in self._scores.items() if "pooled" in s}
            values = self.start.past.fresh("", 0, values)
            if status in OVER and values and not self._frozen:
                self.journal.metrics("", 0, values)
            table_of_folds(self.fold_records).to_csv(self.folder / "folds.csv", index=False)
            self.journal.artifact("", "folds.csv")
        self._importance = write_importance(self.folder, self.journal, self.fold_records, self.cfg)
        bins = int((self.secrets.config.get("evaluate") or {}).get("bins", 15))
        of = (self.folder, self.journal, self.fold_records, bins, self.screen.note)
        self._predictions = write_predictions(*of)

    def _over_folds(self) -> dict[str, Summary]:
        return over_folds(self.fold_records, getattr(self.evaluator, "pool", None))

    def _count(self) -> None:
        """Summarises the scores of the finished folds."""
        self._scores = self._over_folds()
        measure = getattr(self.evaluator, "pool", None)
        for name, value in pooled(self.fold_records, measure).items():
            if name in self._scores:
                self._scores[name]["pooled"] = value
        self._scores |= ensemble_scores(self.fold_records, measure) if self.cfg.production.ensemble else {}

    def _result(self, status: End, error: str | None, link: Any) -> Result:
        scores = self._scores
        monitor = self.cfg.trainer.monitor
        value = scores[monitor]["mean"] if monitor in scores else None
        tracked = link and {name: getattr(link, name) for name in ("tracking_uri", "experiment", "run_id")}
        return Result(
            status=status,
            objective={
                "name": monitor,
                "direction": direction(monitor, directions(self.cfg)),
                "value": value,
            },
            scores=scores,
            folds=count_folds(self.folds),
            seconds=self.seconds,
            seed=self.cfg.seed,
            mlflow=tracked,
            command=self.secrets.text(self.command),
            error=error,
            positive=self.table.task.positive,
            importance=self._importance,
            test_rows=self._test_rows,
        )
