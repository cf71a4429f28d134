"""The corridor: one experiment, from configuration to score. Read this file first.

    extract() -> Table          the outside world becomes rows
    split(table) -> Fold...     rows become training, validation and test parts, searched for leaks
    prepare(fold)               transform fitted on training rows, loaders, model, trainer
    trainer.fit(...)            yields Progress once per epoch; consumers decide what becomes of it
    evaluate(...)               scores, with baselines beside them
    record                      everything that the run leaves behind

Each part is built from configuration alone and then called with data alone. Whatever the user got
wrong is refused before the record is opened: no folder, no MLflow run, no training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from omegaconf import DictConfig

from harness.experiment import Experiment, prepare
from harness.fold import Fold
from harness.page import Page
from harness.plan import make_plan
from harness.predictions import tell
from harness.progress import Progress
from harness.record import Record
from harness.scores import Scores
from harness.stop import Stop
from harness.summary import Result
from harness.table import Table

Consumer = Callable[[Fold, Progress], None]


def run(cfg: DictConfig, folder: Path, consumers: Sequence[Consumer] = (), command: str = "") -> Result:
    """Runs every fold of one experiment and returns what `result.json` holds.

    Args:
        cfg: a composed configuration, see `harness.compose.compose`.
        folder: where the run leaves its files; made if it does not exist.
        consumers: called with each fold's `Progress`; a sweep passes its own.
        command: what to type to repeat the run.

    Raises:
        UserError: configuration or data is wrong; raised before anything is written.
        Diverged: the loss became NaN; the run is recorded as failed.
        Interrupted: a signal came; the run is recorded as interrupted.
    """
    plan = make_plan(cfg)
    first = prepare(plan, plan.folds[0])
    with Stop() as stop, Record(plan, folder, command) as record:
        record.opening(first)
        run_fold(first, plan.table, record.page(plan.folds[0]), stop, consumers)
        del first  # no fold's data stays on the device while the next one trains
        for fold in plan.folds[1:]:
            run_fold(prepare(plan, fold), plan.table, record.page(fold), stop, consumers)
    return record.result


def run_fold(
    experiment: Experiment, table: Table, page: Page, stop: Stop, consumers: Sequence[Consumer]
) -> None:
    """Trains and evaluates one fold, and writes it down."""
    page.begin()
    train(experiment, page, stop, consumers)
    for part, scores in evaluate(experiment):
        page.score(part, scores)
    test = experiment.loaders.test
    outputs = None if test is None else experiment.trainer.predictor().gather(test).outputs
    if test is not None and outputs is not None:
        page.predict(tell(table, experiment.fold, test, outputs))
    page.keep(experiment, table)


def train(experiment: Experiment, page: Page, stop: Stop, consumers: Sequence[Consumer]) -> None:
    """The training of one fold; its weights are then those of the best epoch."""
    trainer, loaders = experiment.trainer, experiment.loaders
    with stop.kindly():
        for progress in trainer.fit(experiment.model, loaders, experiment.augment, experiment.judge, stop):
            page.epoch(progress)
            for consumer in consumers:
                consumer(experiment.fold, progress)
    stop.raise_if_asked()


def evaluate(experiment: Experiment) -> list[tuple[str, Scores]]:
    """The scores of the validation and the test part, of the best epoch's weights."""
    predictor = experiment.trainer.predictor()
    present = [part for part, _ in experiment.fold.parts() if part in ("valid", "test")]
    return [
        (part, experiment.evaluator.score(predictor, experiment.loaders, part, experiment.untrained))
        for part in present
    ]
