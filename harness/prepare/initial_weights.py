"""The initial weights of a model: their file, their run, and which rows they were learned from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from harness.checkpoint.checkpoint_file import ENDING, SIDECAR, DamagedCheckpoint, facts_of, read_named
from harness.core.errors import UserError, sentence
from harness.core.fold import Fold
from harness.core.name_list import listed
from harness.core.table import Table
from harness.core.user_path import user_path
from harness.prepare.weights_leakage import learned_row_notes, run_of
from harness.runs.bundle_files import WEIGHTS
from harness.runs.outputs import Outputs, UnknownRun
from harness.runs.tracking_state import State
from harness.runtime.inner_path import check_tree


@dataclass(frozen=True)
class InitialWeights:
    """The weights that one fold starts from.

    file   the file that `model.weights` names
    run    the folder of the run that learned them; None of a file from elsewhere
    notes  sentences about rows of this fold that their training has seen
    """

    file: Path
    run: Path | None
    notes: tuple[str, ...] = ()

    @property
    def tags(self) -> dict[str, str]:
        """For the tracked run: the file, and the MLflow run that learned it, or else its folder."""
        tags = {"weights.file": str(self.file)}
        if self.run is not None:
            state = State.load(self.run)
            known = state.runs if state is not None else {}
            key = next((part for part in self.file.relative_to(self.run).parts if part in known), "")
            tags["weights.run"] = known.get(key, self.run.name)
        return tags


def find_initial_weights(cfg: DictConfig, table: Table, folds: list[Fold]) -> dict[int, InitialWeights]:
    """The weights that `model.weights` gives each fold, by its number; {} where it is null.

    It may name a file, a run's folder, a run by the name of its folder or by its MLflow run id, or a
    checkpoint. Of a run with several folds, each fold takes the weights of its own number.

    Raises:
        UserError: there is no such run or file, it has no weights yet, or a fold's test rows were learned
            with their labels.
    """
    named = cfg.model.get("weights")
    ours = str(cfg.model._target_).startswith("harness.")
    if named is None or not (ours or user_path(str(named)).exists()):
        return {}  # only a user's own model knows how its weights may be named
    place = _located(str(named), Outputs(Path(cfg.outputs)))
    return {fold.number: _of_fold(place, table, fold) for fold in folds}


def _located(named: str, outputs: Outputs) -> Path:
    """The file, or the folder of a run or of one of its folds.

    Raises:
        UserError: there is none.
        OutsideFolder: a run from elsewhere contains a link that leaves its folder.
    """
    for place in (user_path(named), outputs.runs / named, outputs.sweeps / named):
        if place.exists():
            above = run_of(place.absolute() / WEIGHTS)  # of the folder itself, or of one above
            if above is not None and not outputs.made(above):
                check_tree(above)
            return place.absolute()
    try:
        run = outputs.find(named)
    except UnknownRun as error:
        raise UserError(
            "model.weights must name a file of weights, a checkpoint, a run or its MLflow run id, and "
            f"{named} is no path and no run below {outputs.root}",
            f"{sentence(error.remedy)} (model.weights=null: random weights.)",
            key="model.weights",
            value=named,
        ) from error
    return run.folder if run.fold is None else run.folder / f"fold-{run.fold}"


def _of_fold(place: Path, table: Table, fold: Fold) -> InitialWeights:
    file = place if place.is_file() else _within(place, fold.number)
    _require_intact(file)
    return InitialWeights(file, run_of(file), tuple(learned_row_notes(file, table, fold)))


def _within(folder: Path, number: int) -> Path:
    """The weights in the folder of a run, of one of its folds or of a model."""
    for inner in (".", "model", f"fold-{number}/model"):
        if (folder / inner / WEIGHTS).is_file():
            return folder / inner / WEIGHTS
    others = sorted(path.parent.parent.name for path in folder.glob(f"fold-*/model/{WEIGHTS}"))
    if others:
        raise UserError(
            f"model.weights={folder} has the weights of {listed(others, most=10)}, and fold {number} starts "
            "from those of its own number",
            f"give this run the same split, or name one of them: {folder}/{others[0]}",
            key="model.weights",
        )
    raise UserError(
        f"model.weights={folder} holds no model, which a run keeps when it is finished",
        "name a finished run, or a file in its checkpoints",
        key="model.weights",
    )


def _require_intact(file: Path) -> None:
    """Compares a checkpoint with its hash; a file of weights alone has none."""
    if file.suffix != ENDING:
        return
    try:
        facts_of(file)
    except (DamagedCheckpoint, KeyError):
        if not file.with_name(file.name + SIDECAR).exists():
            return
    read_named(file)
