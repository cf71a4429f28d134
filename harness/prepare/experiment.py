"""Experiment: the parts of one fold, built and fitted together, ready to train."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from harness.bundle import bundle, raw_rows
from harness.config.check_memory import without_fractions
from harness.config.finish_config import check_codes, check_monitor, check_shape
from harness.config.metric_settings import directions, metric_directions, require_direction
from harness.core.arrays import Arrays, Batch, Loaders
from harness.core.epoch_ranking import EpochRanking
from harness.core.errors import UserError, refusing
from harness.core.fold import Fold
from harness.core.predictor import Predictor
from harness.core.protocol import Augment, Evaluator, Transform
from harness.core.table import Table
from harness.core.typed_override import typed
from harness.core.walk import passes
from harness.data.cache.command_scope import current
from harness.data.load.row_pairs import find_pairs
from harness.evaluate.classification import Classification
from harness.evaluate.scored_rows import Answers, scores_of, validated
from harness.evaluate.with_user_metrics import WithUserMetrics
from harness.prepare import data_pipeline
from harness.prepare.evaluation import check_calibration, check_importance, with_user_metrics
from harness.prepare.plan import Plan
from harness.runtime.random_seed import seed_everything
from harness.trainer.batch_source import EpochIterator, StepBatch
from harness.trainer.network import members_of
from harness.trainer.random_state import generators, set_generators
from harness.trainer.universal import UniversalTrainer


@dataclass(frozen=True)
class Experiment:
    """What a fold trains with.

    `new_model` gives the architecture with random weights; `notes` are what must not be missed about the
    rows; `cfg` is what all was built from. `before` is what the model learns first, and `scratch` gives the
    same training without that, where it is to be compared. `followed` are the validation scores that each
    epoch needs; None: all. `folds` is how many folds the run has. `temperature` is that of the trained
    network, see `harness.stages.calibrate`. Of a network of an ensemble, `around` gives the rows of its whole
    fold, transformed as the training rows of that fold say.
    """

    fold: Fold
    transform: Transform
    loaders: Loaders
    model: nn.Module
    new_model: Callable[[], nn.Module]
    trainer: UniversalTrainer
    augment: Augment
    evaluator: Evaluator
    cfg: DictConfig
    notes: tuple[str, ...] = ()
    before: Experiment | None = None
    scratch: Callable[[], Experiment] | None = None
    followed: frozenset[str] | None = None
    folds: int = 1
    temperature: float = 1.0
    around: Callable[[], Loaders] | None = None

    @property
    def whole_folds(self) -> int:
        """How many folds the run has; the networks of an ensemble are one."""
        return self.folds if self.fold.network is None else self.folds // self.fold.network.count

    @property
    def parameters(self) -> int:
        """How many parameters the model has, without heads."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def save(self, folder: Path, table: Table, config: dict[str, Any]) -> None:
        """Writes weights, fitted transform and configuration, from which production rebuilds them."""
        bundle.write(
            folder,
            predictor=self.predictor(),
            table=table,
            inputs=self.loaders.shape,
            codes=self.loaders.codes,
            transform_state=self.transform.state(),
            config=config,
        )

    def predictor(self) -> Predictor:
        """The network with its calibration."""
        return replace(self.trainer.predictor(), temperature=self.temperature)

    def validate(self, predictor: Predictor) -> dict[str, float]:
        """The valid part's scores of an epoch, by full name; none without validation rows."""
        if self.loaders.valid is None:
            return {}
        return _of_valid(validated(self.evaluator, predictor, self.loaders, self.followed))

    def answers(self, predictor: Predictor) -> Answers | None:
        """What `validate` scores, so that several networks can be scored together by `scores_of_each`.

        None: the evaluator can only do both at once, or there are no validation rows.
        """
        valid, evaluator = self.loaders.valid, self.evaluator
        # The class itself: one that inherits from it may have a `validate` of its own.
        if valid is None or type(evaluator) is not Classification:
            return None
        return evaluator.answers(predictor, valid, self.followed)

    def untrained(self) -> Predictor:
        """The same network as nothing had been learned; the random generators are left as they were."""
        device = self.trainer.device
        with torch.random.fork_rng([device] if device.type == "cuda" else [], device_type="cuda"):
            torch.manual_seed(torch.initial_seed() + 1)
            model = self.new_model().to(device)
        return Predictor(model, None, self.loaders.task, None, self.trainer.autocast)


def scores_of_each(answered: Sequence[Answers]) -> list[dict[str, float]]:
    """What `validate` gives for each of the networks whose answers these are, to the last bit."""
    return [_of_valid(scores) for scores in scores_of(answered)]


def _of_valid(scores: dict[str, float]) -> dict[str, float]:
    return {f"valid/{name}": value for name, value in scores.items()}


def prepare(plan: Plan, fold: Fold) -> Experiment:
    """Builds every part for one fold; the transform is fitted on the fold's training rows only.

    For a trainer that learns from unlabelled rows, these are training rows without targets.

    Raises:
        UserError: two parts do not fit each other or the data. Nothing has been trained then.
    """
    cfg, table, parts = plan.cfg, plan.table, plan.parts
    before = None if plan.before is None else prepare(plan.before, fold)
    scratch = partial(prepare, replace(plan, before=None), fold) if before and cfg.pretrain.scratch else None
    seed_everything(cfg.seed)
    trainer = parts.new_trainer()
    evaluator = with_user_metrics(parts.evaluate, cfg, table.task, trainer.learns != "representation")
    _check_monitored(trainer, evaluator, cfg)
    if trainer.learns != "representation":
        check_importance(cfg, evaluator, table.task)
    seen, transform, arrays = _transformed(plan, fold, trainer)
    network = fold.network
    around = None if network is None else partial(_loaders_of, plan, network.fold, trainer)
    if trainer.learns == "representation":
        fold = seen
    check_shape(cfg, arrays.shape, table)
    check_codes(cfg, arrays.codes, table)
    arrays, notes = _with_partners(arrays, table, fold, trainer)
    passes("load")
    loaders = parts.load(arrays, fold, trainer.device)
    weights = plan.initial_weights.get(fold.number)
    file = None if weights is None else weights.file
    model = parts.new_model(arrays.shape, file, arrays.codes)
    if weights is None and cfg.model.get("weights") is None:
        _fit_inputs(model, arrays, fold)
    _check_names(table, loaders, model, trainer.learns != "representation")
    augment = parts.augment
    if isinstance(evaluator, WithUserMetrics):
        evaluator.try_metrics(loaders)
    trainer.layers.check(model)
    trainer.preflight(model, loaders)
    check_calibration(cfg, trainer, loaders)
    _try_batch_once(plan, model, trainer, loaders, augment)
    fresh = partial(parts.new_untrained_model, arrays.shape, arrays.codes)
    notes += () if weights is None else weights.notes
    needed = {name.partition("/")[2] for name in (trainer.monitor, *trainer.ranking.names)}
    followed = None if plan.followed is None else plan.followed | needed
    parts_of_fold = (fold, transform, loaders, model, fresh, trainer, augment, evaluator)
    of_run = (cfg, notes, before, scratch, followed, len(plan.folds))
    return Experiment(*parts_of_fold, *of_run, around=around)


def _transformed(plan: Plan, fold: Fold, trainer: UniversalTrainer) -> tuple[Fold, Transform, Arrays]:
    """The fold as the trainer learns from it, the transform fitted on its training rows, and all arrays."""
    wide = trainer.learns == "representation" or trainer.learns_unlabelled
    seen = fold.with_unlabelled_in_training() if wide else fold
    fitted = data_pipeline.fit_transform(plan.parts, plan.table, seen, plan.cache, fold.unlabelled)
    return seen, *fitted


def _loaders_of(plan: Plan, fold: Fold, trainer: UniversalTrainer) -> Loaders:
    _, _, arrays = _transformed(plan, fold, trainer)
    return plan.parts.load(arrays, fold, trainer.device)


def _check_monitored(trainer: UniversalTrainer, evaluator: Evaluator, cfg: DictConfig) -> None:
    """Checks the scores by which the training is compared and its best epoch chosen; sets their directions.

    Raises:
        UserError: there is no such score, or nothing says whether it is better high or low.
    """
    given = () if trainer.best_by is None else trainer.ranking.names
    for key, names in (("trainer.monitor", (trainer.monitor,)), ("trainer.best_by", given)):
        for name in names:
            check_monitor(name, evaluator.names, key)
            require_direction(name, metric_directions(cfg), key)
    trainer.ranking = EpochRanking.of(trainer.monitor, trainer.best_by, directions(cfg))


def _fit_inputs(model: nn.Module, arrays: Arrays, fold: Fold) -> None:
    """Shows the inputs of the training rows to a model that asks for them, see `harness.model`.

    Raises:
        UserError: it cannot be fitted to them.
    """
    fit: Callable[[Tensor], None] | None = getattr(model, "fit_inputs", None)
    if fit is not None:
        fit(arrays.take(fold.train))


def _check_names(table: Table, loaders: Loaders, model: nn.Module, head: bool) -> None:
    """Checks that a prediction can be written beside the features.

    Raises:
        UserError: a feature has the name of a column of predictions.
    """
    width: Any = model.width
    outputs = bundle.output_columns(loaders.task, width, head)
    clash = next((name for name in raw_rows.columns(table) if name in outputs), None)
    if clash is not None:
        raise UserError(
            f"a feature must not have the name of a column that predictions add, and {clash!r} of "
            f"{table.name} does",
            f"rename it in the data, or leave it out with {typed('data.extract.drop', [clash])}",
            key="data.extract",
            value=clash,
        )


def _with_partners(
    arrays: Arrays, table: Table, fold: Fold, trainer: UniversalTrainer
) -> tuple[Arrays, tuple[str, ...]]:
    """The arrays with the rows that columns name for each row, for a trainer that learns from such."""
    columns: tuple[str, ...] = getattr(trainer, "columns", ())
    if not columns:
        return arrays, ()
    pairs, notes = find_pairs(table, columns, fold.train)
    return replace(arrays, pairs=pairs), (notes,)


def _try_batch_once(
    plan: Plan, model: nn.Module, trainer: UniversalTrainer, loaders: Loaders, augment: Augment
) -> None:
    """`try_batch`, unless an earlier run of this command tried the same parts on samples of the same form."""
    parts = [plan.parts.node(key) for key in ("trainer", "model", "data.load", "data.augment")]
    form = (loaders.shape, loaders.codes, loaders.task, len(loaders.train.rows), trainer.learns_unlabelled)
    key = f"tried {without_fractions(parts)} {form} {[type(part) for part in (trainer, model, augment)]}"

    def tried() -> bool:
        try_batch(model, trainer, loaders, augment)
        return True

    current().shared(key, tried)


def try_batch(model: nn.Module, trainer: UniversalTrainer, loaders: Loaders, augment: Augment) -> None:
    """Takes a batch through model, augmentation and loss, before anything is written; nothing is changed.

    The loss is taken on a copy of the trainer, because a loss may remember what it has seen.

    Raises:
        UserError: augmentation or loss cannot take it, or the model's representation is not (B, width).
    """
    kept = generators(trainer.device)
    batch = next(iter(loaders.train))
    _require_representation(model, batch.inputs[:4].cpu())
    with refusing("data.augment"):
        _require_codes(augment(batch.inputs), loaders.codes)
    trial = copy.deepcopy(trainer)
    trial.attach(Blank(model), loaders)
    batches = next(iter(EpochIterator(trial.batch_source(loaders))))
    place = "trainer.method" if hasattr(trainer, "method") else "trainer.loss"
    with refusing(place), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch warns of here, it raises a line later
        trial.loss(trial.unpack(batches, augment))
    parts = (batches,) if isinstance(batches, Batch) else batches
    if min(len(part.rows) for part in parts) == 1:
        _try_single_row(copy.deepcopy((trainer, model)), loaders, augment, batches)
    set_generators(kept, trainer.device)


def _require_codes(inputs: Tensor, codes: Sequence[int]) -> None:
    """Raises UserError: an augmentation made other numbers of codes of categories."""
    for column, count in zip(inputs[:, -len(codes) :].T if codes else (), codes, strict=True):
        if not ((column == column.round()) & (column >= 0) & (column < count)).all():
            raise UserError(
                f"the last {len(codes)} features are codes of categories, whole numbers, and data.augment "
                "makes other numbers of them",
                "use data/augment=tabular, which takes whole values of other rows, or set "
                "data.transform.one_hot_up_to=null",
                key="data.augment",
            )


def _try_single_row(
    copied: tuple[UniversalTrainer, nn.Module], loaders: Loaders, augment: Augment, batches: StepBatch
) -> None:
    """Takes batches of one row through copies of trainer and model: batch normalisation refuses one value.

    Where a batch has one row, all of its part have: `batch_sizes` leaves no single row at the end.
    """
    trainer, model = copied
    trainer.attach(model, loaders)
    trainer.network.train()
    try:
        trainer.loss(trainer.unpack(batches, augment))
    except ValueError as error:
        raise UserError(
            f"{type(model).__name__} cannot learn from a batch of one row ({str(error).rstrip('.')})",
            "set data.load.batch_size (and data.load.unlabelled_batch_size) to 2 or more, give 2 or more "
            "training rows, or choose a model without batch normalisation",
            key="data.load.batch_size",
        ) from error


def _require_representation(model: nn.Module, inputs: Tensor) -> None:
    with torch.no_grad():
        representation = model.eval()(inputs)
    model.train()
    if tuple(representation.shape) != (len(inputs), model.width):
        raise UserError(
            f"a model turns (B, *shape) into (B, width), and {type(model).__name__} turned "
            f"{tuple(inputs.shape)} into {tuple(representation.shape)} with width {model.width}",
            "correct its forward, or its attribute width",
        )


class Blank(nn.Module):
    """Replaces a model: zeros of its width."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.width = int(model.width)  # type: ignore[arg-type]  # what the protocol of a model promises
        self.members = members_of(model)

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.new_zeros(len(inputs), self.width)
