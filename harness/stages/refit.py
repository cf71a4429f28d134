"""The models for production, made after all folds: the ensemble of their models, and a refit on all rows."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from harness.bundle import ensemble
from harness.config.instantiate import target
from harness.core.errors import UserError
from harness.core.fold import Fold, networks_of
from harness.core.progress import Progress
from harness.prepare.experiment import Experiment, prepare
from harness.prepare.initial_weights import find_initial_weights
from harness.prepare.plan import Plan
from harness.record.run_record import Record
from harness.runs.bundle_files import FACTS
from harness.runs.stored_run import ENSEMBLE, REFIT
from harness.runtime.config_nodes import copied
from harness.runtime.out_of_memory import enough_memory
from harness.runtime.secret_values import Secrets
from harness.runtime.stop_signals import Stop

_EARLY_ENDS = ("steps", "minutes", "patience")
"""Arguments of a trainer that end it by something other than its epochs."""

_NO_SCORES = (
    "; each row is tested by one fold, so the scores of their mean are not known: split=repeated_kfold or "
    "split=nested estimates them"
)

_LINES = 5
"""How often a refit reports its progress."""


def check_refit(plan: Plan) -> None:
    """Checks the settings of `production` before anything is trained.

    Raises:
        UserError: the folds have nothing to average, or the trainer needs validation rows.
    """
    wanted = plan.cfg.production
    if wanted.ensemble:
        if len(plan.folds) == 1:
            raise UserError(
                "production.ensemble=true puts the models of several folds together, and the split gives one",
                "leave it out, or choose another split, such as split=kfold",
                key="production.ensemble",
            )
        trainer: Any = target(plan.cfg.trainer, "trainer")
        if trainer.learns == "representation":
            raise UserError(
                "production.ensemble=true averages predictions, and this trainer learns representations, "
                "each with axes of its own",
                "use production.refit=true, or the model of one fold",
                key="production.ensemble",
            )
    if wanted.refit:
        try:
            _prepared(plan, None)
        except UserError as error:
            raise UserError(f"{error} (production.refit=true trains on all rows.)") from error


def make(plan: Plan, record: Record, stop: Stop) -> None:
    """Makes the models that `production` selects, and logs them in MLflow.

    A trial of a sweep has none, but for the ensemble of a tested one whose folds are ensembles of networks.

    Raises:
        Diverged: the refit's loss became NaN; the folds' own models and scores are kept.
        Interrupted: a signal came.
    """
    wanted = plan.cfg.production
    if record.trial is not None:
        if record.trial.tests and networks_of(plan.folds) is not None:
            put_together(record)
        return
    if wanted.ensemble or networks_of(plan.folds) is not None:
        put_together(record)
    if wanted.refit:
        best = [
            fold_record.scores["train/best_epoch"]
            for fold_record in record.fold_records
            if fold_record.scores
        ]
        if best:
            temperatures = [
                fold_record.scores.get("model/temperature", 1.0)
                for fold_record in record.fold_records
                if fold_record.scores
            ]
            temperature = statistics.geometric_mean(temperatures)
            _refit(plan, record, stop, max(1, round(statistics.median(best))), temperature)


def put_together(record: Record) -> None:
    """Writes the ensemble of the models of all folds that are kept, if any are."""
    models = [fold_record.folder / "model" for fold_record in record.fold_records]
    kept = [model for model in models if (model / FACTS).exists()]
    if kept:
        ensemble.write(record.folder / ENSEMBLE, kept)
        record.journal.model("", ENSEMBLE)
        folds = f"{len(kept)} folds" if len(kept) == len(models) else f"{len(kept)} of {len(models)} folds"
        networks = networks_of(record.folds)
        if networks is not None:
            record.screen.fact(ENSEMBLE, _of_networks(record, len(kept), networks))
            return
        averaged = _models_of_a_row(record)
        scores = (
            _NO_SCORES if averaged == 1 else f"; the scores of ensemble are of the mean of {averaged} models"
        )
        record.screen.fact(ENSEMBLE, f"the models of {folds}{scores}")


def _of_networks(record: Record, kept: int, networks: int) -> str:
    """What the ensemble is made of, where each fold is one, and of which networks the test scores are."""
    if len(record.folds) == networks:
        return f"the mean of {networks} networks is the model of the run, and the test scores are its own"
    of = f"{kept} networks" if kept == len(record.folds) else f"{kept} of {len(record.folds)} networks"
    return f"the mean of {of} is the model of the run; test scores are of the {networks} networks of a fold"


def _models_of_a_row(record: Record) -> int:
    """By how many models a row is tested at most; the mean prediction of several can be scored."""
    _, counts = np.unique(np.concatenate([fold.test for fold in record.folds]), return_counts=True)
    return int(counts.max())


def _refit(plan: Plan, record: Record, stop: Stop, epochs: int, temperature: float) -> None:
    """Trains once more on all rows, for the folds' best number of epochs: no rows are left to choose one.

    Nor are rows left to fit the temperature: it is the geometric mean of the folds'.
    """
    experiment = _prepared(plan, epochs)
    record.screen.fact(REFIT, f"{len(experiment.fold.train):,} rows, {epochs} epochs")
    with stop.after_step(), enough_memory(record.secrets.config):
        if experiment.before is not None:
            for _ in _steps(experiment.before, stop):
                pass
            experiment.model.load_state_dict(experiment.before.model.state_dict())
        for progress in _steps(experiment, stop):
            if progress.whole:
                _tell(progress, record)
    stop.raise_if_asked()
    experiment = replace(experiment, temperature=temperature)
    experiment.save(record.folder / REFIT, plan.table, Secrets(experiment.cfg).config)
    record.journal.model("", REFIT)


def _steps(experiment: Experiment, stop: Stop) -> Iterable[Progress]:
    return experiment.trainer.fit(
        experiment.model, experiment.loaders, experiment.augment, experiment.validate, stop
    )


def _tell(progress: Progress, record: Record) -> None:
    record.journal.metrics("", progress.epoch, {f"{REFIT}/{k}": v for k, v in progress.scores.items()})
    if progress.epoch % max(1, progress.epochs // _LINES) == 0 or progress.epoch == progress.epochs:
        message = (
            f"epoch {progress.epoch} of {progress.epochs}, train/loss {progress.scores['train/loss']:.4f}"
        )
        record.screen.fact(REFIT, message)


def _prepared(plan: Plan, epochs: int | None) -> Experiment:
    """The experiment of all rows; `epochs` None: as many as the folds have at most."""
    fold = _whole(plan.folds)
    cfg = copied(plan.cfg)
    for name in _EARLY_ENDS if epochs is not None else ("patience",):
        if name in cfg.trainer:
            OmegaConf.update(cfg, f"trainer.{name}", None)
    if epochs is not None:
        OmegaConf.update(cfg, "trainer.epochs", epochs)
    OmegaConf.update(cfg, "pretrain.scratch", False)
    OmegaConf.update(cfg, "production.calibrate", "none", force_add=True)  # there are no validation rows
    before = plan.before
    if before is not None:
        before = replace(before, initial_weights=find_initial_weights(before.cfg, plan.table, [fold]))
    initial_weights = find_initial_weights(cfg, plan.table, [fold])
    return prepare(plan.with_config(cfg, folds=[fold], initial_weights=initial_weights, before=before), fold)


def _whole(folds: list[Fold]) -> Fold:
    """Returns one fold whose training part has all rows of all folds; rows without a label stay
    unlabelled."""
    known = reduce(np.union1d, [rows for fold in folds for rows in (fold.train, fold.valid, fold.test)])
    hidden = reduce(np.union1d, [fold.unlabelled for fold in folds])
    none = np.empty(0, dtype=np.int64)
    return Fold(0, known.astype(np.int64), none, none, np.setdiff1d(hidden, known).astype(np.int64))
