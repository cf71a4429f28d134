"""Ensemble: the models of several folds; the prediction is their mean."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd

from harness.bundle.bundle import Bundle, read
from harness.bundle.row_predictor import RowPredictor
from harness.core.errors import UserError
from harness.runs.bundle_files import EXAMPLE, FACTS, read_facts
from harness.runtime.atomic_file import replace_folder


class Ensemble:
    """Several bundles as one predictor: the mean probabilities of classes and labels, the mean of numbers.

    This is the prediction of a deep ensemble, a uniform mixture of its members (Lakshminarayanan et al. 2017,
    arXiv:1612.01474, section 2.4), here of models that were trained on different rows.

    Args:
        folder: a folder written by `write`.
        device: where the networks run.

    Raises:
        FileNotFoundError: the folder has no complete ensemble.
        UserError: a part named by the configuration cannot be built here.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        folder = Path(folder)
        self.bundle: Bundle = read(folder)
        self.members = [RowPredictor(folder / name, device) for name in self.bundle.members]

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        """As `RowPredictor`, averaged over all members.

        Raises:
            UserError: a column is missing, or a value does not fit its type.
        """
        answers = [member(rows) for member in self.members]
        task, first = self.bundle.task, answers[0]
        numbers = [column for column in first if not _decided(str(column), self.bundle)]
        total = reduce(pd.DataFrame.add, [answer[numbers] for answer in answers])
        mean = total / len(answers)
        if task.kind == "regression":
            return mean[list(first)]
        shares = mean.to_numpy()
        decided: dict[str, Any]
        if task.kind == "multilabel":
            decided = {f"prediction_{name}": shares[:, i] > 0.5 for i, name in enumerate(task.classes)}
        else:
            decided = {"prediction": [task.classes[code] for code in shares.argmax(axis=1)]}
        return first.assign(**decided, **mean).astype(first.dtypes.to_dict())


def _decided(column: str, bundle: Bundle) -> bool:
    """Whether a column is computed from the probabilities."""
    return bundle.task.kind != "regression" and column.startswith("prediction")


def open_predictor(folder: str | Path, device: str = "cpu") -> RowPredictor | Ensemble:
    """A predictor of raw rows from a bundle or an ensemble.

    Raises:
        FileNotFoundError: the folder has no complete bundle.
        UserError: a part named by the configuration cannot be built here.
    """
    return (Ensemble if read(Path(folder)).members else RowPredictor)(folder, device)


def write(folder: Path, members: Sequence[Path]) -> None:
    """Writes an ensemble of bundles; the folder is written whole or not at all, and replaces an older one.

    Args:
        folder: of the ensemble; the members are copied into it.
        members: bundles of the same columns and task.

    Raises:
        UserError: they have no head: representations of different trainings cannot be averaged.
    """
    facts: list[dict[str, Any]] = [read_facts(member) for member in members]
    if not facts[0]["head"]:
        raise UserError(
            "an ensemble averages predictions, and these models learned representations, each with axes of "
            "its own",
            "use the model of one fold",
        )
    together = {
        **{name: fact for name, fact in facts[0].items() if name not in ("files", "temperature", "codes")},
        "members": [str(number) for number in range(len(members))],
        "requirements": sorted({pin for fact in facts for pin in fact["requirements"]}),
        "code": sorted({path for fact in facts for path in fact["code"]}),
    }
    with replace_folder(folder) as draft:
        for number, member in enumerate(members):
            shutil.copytree(member, draft / str(number))
        if (members[0] / EXAMPLE).exists():
            shutil.copy(members[0] / EXAMPLE, draft / EXAMPLE)
        (draft / FACTS).write_text(json.dumps(together, indent=1) + "\n")
